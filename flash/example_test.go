package flash_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/lucia-go/lucia/flash"
	"github.com/lucia-go/lucia/luciatest"
)

// A message that the page after a redirect shows, and shows once.
func Example() {
	flashes, err := flash.New(flash.Config{Secret: bytes.Repeat([]byte("s"), 32)})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /save", func(w http.ResponseWriter, r *http.Request) {
		if err := flashes.Set(w, "notice", "Saved."); err != nil {
			log.Print(err) // the person is not told, and nothing else is lost
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		notice, ok := flashes.Take(w, r, "notice")
		fmt.Printf("%q %t\n", notice, ok)
	})

	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	browser := http.Client{Jar: jar, Transport: luciatest.Transport(mux)}
	if _, err := browser.Post("https://app.example/save", "", nil); err != nil { // shows / next
		log.Fatal(err)
	}
	if _, err := browser.Get("https://app.example/"); err != nil {
		log.Fatal(err)
	}
	// Output:
	// "Saved." true
	// "" false
}

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
