package lucia_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/memstore"
)

// An audit trail of sessions, and a path for the readiness check of an orchestrator.
func Example_operating() {
	type profile struct{}
	config := lucia.Config[profile]{
		Secret:   bytes.Repeat([]byte("s"), lucia.MinSecretBytes),
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (profile, error) { return profile{}, nil },
		Skip:     func(r *http.Request) bool { return r.URL.Path == "/readyz" },
	}
	file := new(strings.Builder)
	trail := slog.New(slog.NewJSONHandler(file, nil))
	config.OnEvent = func(e lucia.Event) {
		trail.LogAttrs(context.Background(), slog.LevelInfo, string(e.Kind), e.Attrs()...)
	}
	auth, err := lucia.New(config)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := auth.Ready(r.Context()); err != nil {
			lucia.WriteError(w, err) // 503 and a code; the cause is in the log
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})

	answer := httptest.NewRecorder()
	nethttp.Wrap(auth, mux).ServeHTTP(answer, httptest.NewRequest("GET", "/readyz", nil))
	fmt.Println(answer.Code)
	if err := auth.RevokeUser(context.Background(), "u1"); err != nil {
		log.Fatal(err)
	}
	if err := auth.Flush(context.Background()); err != nil {
		log.Fatal(err)
	}
	_, entry, _ := strings.Cut(file.String(), `"msg"`)
	fmt.Print(`"msg"`, entry)
	// Output:
	// 204
	// "msg":"session ended","user_id":"u1","cause":"app"}
}
