package session_test

// forget drops from a state what can no longer make a difference. That leaves a tenth of the
// states. The flag -explore.large also explores without it and shows that the result is the same.
func (w *world) forget(s *state) {
	least := s.rec.gen // no later record has an older generation
	for _, r := range s.before {
		if r.gen != 0 {
			least = min(least, r.gen)
		}
	}
	w.forgetAges(s)
	if !w.noMaximum && !w.bearers {
		s.forgetBearers(least, w.bearerAccess)
	}
	if s.jar == s.disk {
		s.dirty = 0
	}
}

// confirms reports whether the use of a token of that generation can still confirm the record, or a
// record that returns after a lost write.
func (s *state) confirms(gen uint8) bool {
	for _, r := range [...]record{s.rec, s.before[0], s.before[1]} {
		if r.gen != 0 && (r.gen < gen || r.gen == gen && r.confirmed == 0) {
			return true
		}
	}
	return false
}

// forgetAges drops the access tokens that confirm nothing and the ages of the refresh cookies that
// confirm nothing.
func (w *world) forgetAges(s *state) {
	for _, t := range [...]*token{&s.jar.access, &s.disk.access, &s.late} {
		if !s.confirms(t.gen) {
			*t = token{}
		}
	}
	for _, t := range [...]*token{&s.jar.refresh, &s.disk.refresh, &s.exchanges[0].cookie, &s.exchanges[1].cookie} {
		if t.gen != 0 && !s.confirms(t.gen) {
			t.age = w.cap(*t)
		}
	}
	for i := range s.tabs {
		if !s.confirms(s.tabs[i].gen) {
			s.tabs[i].age = 0
		}
	}
}

// forgetBearers drops the bearer tokens that will never be newer than the refresh cookie beside
// them, and the cookies that are older than the bearer token beside them.
func (s *state) forgetBearers(least uint8, bearerAccess bool) {
	least = min(least, s.jar.refresh.gen)
	if s.disk.refresh.gen != 0 {
		least = min(least, s.disk.refresh.gen)
	}
	for _, f := range s.exchanges {
		if f.phase == answer && f.sets {
			least = min(least, f.gen)
		}
	}
	for i := range s.tabs {
		if t := &s.tabs[i]; t.gen <= least && !(bearerAccess && s.confirms(t.gen)) {
			*t = token{}
		}
	}
	for i := range s.exchanges {
		if f := &s.exchanges[i]; f.bearer > f.cookie.gen {
			f.cookie = token{}
		}
	}
}
