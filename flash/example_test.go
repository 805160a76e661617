package flash_test

import (
	"bytes"
	"fmt"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

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

// Messages that add up until a page shows them. A page that is rendered without a redirect shows
// those of its own response, too.
func ExampleFlash_Take() {
	flashes, err := flash.New(flash.Config{Secret: bytes.Repeat([]byte("s"), 32)})
	if err != nil {
		log.Fatal(err)
	}
	add := func(w http.ResponseWriter, r *http.Request, message string) {
		earlier, _ := flashes.Take(w, r, "notice")
		flashes.Set(w, "notice", earlier+message)
	}
	save := func(w http.ResponseWriter, r *http.Request) {
		add(w, r, "Saved. ")
		add(w, r, "A copy is in the mail.")
		notice, _ := flashes.Take(w, r, "notice")
		fmt.Println(notice)
	}
	save(httptest.NewRecorder(), httptest.NewRequest("POST", "/save", nil))
	// Output: Saved. A copy is in the mail.
}
