package middleware_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"unsafe"

	"github.com/lucia-go/lucia/middleware"
)

// A context may hold any value under gin's key. If it is no gin context, the context is not that of
// a request.
func TestOddValuesUnderGinsContextKey(t *testing.T) {
	a := newApp(t, nil)
	type inner struct{ Request *http.Request }
	for name, value := range map[string]any{
		"nil": nil, "a string": "c", "a struct": inner{}, "a nil pointer": (*inner)(nil), "no request": &inner{},
		"a pointer to a pointer": new(*inner), "a pointer to a number": new(int), "an unsafe pointer": unsafe.Pointer(nil),
		"another type of request":   &struct{ Request string }{"GET"},
		"an unexported field":       &struct{ request, Other *http.Request }{},
		"an embedded nil pointer":   &struct{ *inner }{},
		"an embedded nil interface": &struct{ http.Handler }{},
	} {
		//lint:ignore SA1029 gin's key is a string
		ctx := context.WithValue(t.Context(), "_gin-gonic/gin/contextkey", value)
		if s := a.auth.Session(ctx); s != nil {
			t.Errorf("%s: a session", name)
		}
		if field := string(middleware.FormField.HTML(ctx)); !strings.HasPrefix(field, `<input type="hidden" name="_lucia" value=""><!-- lucia: `) {
			t.Errorf("%s: %s", name, field)
		}
	}
}
