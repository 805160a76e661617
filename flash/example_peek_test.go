package flash_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/lucia-go/lucia/flash"
)

// What a visitor has chosen stays in the browser until they sign in. A value has a limit.
func ExampleFlash_Peek() {
	flashes, err := flash.New(flash.Config{Secret: bytes.Repeat([]byte("s"), flash.MinSecretBytes), TTL: 24 * time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := flashes.Set(w, "plan", strings.Repeat("x", flash.MaxValueBytes+1)); errors.Is(err, flash.ErrTooLarge) {
		fmt.Println("too large")
	}
	if err := flashes.Set(w, "plan", "team"); err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("GET", "https://app.example/plans", nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	fmt.Println(flashes.Peek(r, "plan"))
	// Output:
	// too large
	// team true
}
