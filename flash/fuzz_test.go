package flash_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lucia-go/lucia/flash"
)

// FuzzTake sends altered cookies, and other text around them. Only the cookie that Set made yields
// its value.
func FuzzTake(f *testing.F) {
	flashes, err := flash.New(flash.Config{Secret: secret})
	if err != nil {
		f.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := flashes.Set(w, "notice", "Saved."); err != nil {
		f.Fatal(err)
	}
	genuine := w.Result().Cookies()[0]
	name, value := genuine.Name, genuine.Value
	f.Add("", "", uint16(0), byte(0))
	f.Add("x; "+name+"=", "; y", uint16(0), byte(0))
	f.Add(`"`, `"`, uint16(0), byte(0))
	f.Add("", "A", uint16(9), byte(1))
	f.Fuzz(func(t *testing.T, before, after string, at uint16, flip byte) {
		altered := []byte(value)
		altered[int(at)%len(altered)] ^= flip
		sent := before + string(altered) + after
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", name+"="+sent)
		var want bool
		for _, c := range r.CookiesNamed(name) {
			want = want || c.Value == value
		}
		w := httptest.NewRecorder()
		got, ok := flashes.Take(w, r, "notice")
		if ok != want || ok != (got == "Saved.") {
			t.Errorf("Take = %q, %t for %q", got, ok, sent)
		}
		if again, peeked := flashes.Peek(r, "notice"); again != got || peeked != ok {
			t.Errorf("Peek = %q, %t, want %q, %t", again, peeked, got, ok)
		}
		for _, line := range w.Header()["Set-Cookie"] {
			if c, err := http.ParseSetCookie(line); err != nil || c.Name != name || c.MaxAge >= 0 {
				t.Errorf("Set-Cookie: %q, %v", line, err)
			}
		}
	})
}
