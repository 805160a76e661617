package session_test

// forget drops from a state what cannot make a difference any more, which
// leaves a tenth of the states. That the same is found without it is seen with
// -explore.large.
func (w *world) forget(s *state) {
	least := s.rec.gen // no record will be of an older generation
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

// confirms reports whether the use of a token of that generation may yet
// confirm the record, or a record that the store may come back with.
func (s *state) confirms(gen uint8) bool {
	for _, r := range [...]record{s.rec, s.before[0], s.before[1]} {
		if r.gen != 0 && (r.gen < gen || r.gen == gen && r.confirmed == 0) {
			return true
		}
	}
	return false
}

// forgetAges drops the access tokens that confirm nothing, and the ages of the
// refresh cookies that confirm nothing.
func (w *world) forgetAges(s *state) {
	for _, t := range [...]*token{&s.jar.access, &s.disk.access, &s.late} {
		if !s.confirms(t.gen) {
			*t = token{}
		}
	}
	for _, t := range [...]*token{&s.jar.refresh, &s.disk.refresh, &s.flights[0].cookie, &s.flights[1].cookie} {
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

// forgetBearers drops the bearer tokens that will never be newer than the
// refresh cookie beside them, and the cookies that are older than the bearer
// token beside them.
func (s *state) forgetBearers(least uint8, bearerAccess bool) {
	least = min(least, s.jar.refresh.gen)
	if s.disk.refresh.gen != 0 {
		least = min(least, s.disk.refresh.gen)
	}
	for _, f := range s.flights {
		if f.phase == answer && f.sets {
			least = min(least, f.gen)
		}
	}
	for i := range s.tabs {
		if t := &s.tabs[i]; t.gen <= least && !(bearerAccess && s.confirms(t.gen)) {
			*t = token{}
		}
	}
	for i := range s.flights {
		if f := &s.flights[i]; f.bearer > f.cookie.gen {
			f.cookie = token{}
		}
	}
}
