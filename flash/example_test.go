package flash_test

import (
	"bytes"
	"fmt"
	"log"
	"net/http"

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
		flashes.Set(w, "notice", "Saved.")
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		notice, ok := flashes.Take(w, r, "notice")
		fmt.Printf("%q %t\n", notice, ok)
	})

	_ = luciatest.Transport
	// Output:
}
