package luciagin_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/middleware"
)

// A *gin.Context is a context.Context and may be passed as one. It has the same session as its
// request's context, whether or not gin falls back to that context.
func TestGinContextHasTheRequestsSession(t *testing.T) {
	for _, fallback := range []bool{false, true} {
		for name, of := range map[string]func(*gin.Context) context.Context{
			"itself":  func(c *gin.Context) context.Context { return c },
			"derived": func(c *gin.Context) context.Context { return context.WithoutCancel(c) },
			"a copy":  func(c *gin.Context) context.Context { return c.Copy() },
			"request": func(c *gin.Context) context.Context { return c.Request.Context() },
		} {
			t.Run(fmt.Sprintf("%s, fallback %v", name, fallback), func(t *testing.T) {
				auth := newAuthWith(t, func(c *middleware.Config[user]) { c.Issuer = "https://example.com" })
				g := gin.New()
				g.ContextWithFallback = fallback
				g.Use(luciagin.Middleware(auth))
				var calls int
				g.GET("/", func(c *gin.Context) {
					calls++
					ctx := of(c)
					if s := auth.Session(ctx); s == nil || s.User.ID != "u1" {
						t.Errorf("Session: %v", s)
					}
					if o := auth.Outcome(ctx); o != middleware.OutcomeFresh {
						t.Errorf("Outcome: %v", o)
					}
					if list, err := auth.Sessions(ctx, "u1"); err != nil || len(list) != 1 || !list[0].Current {
						t.Errorf("Sessions: %v, %v", list, err)
					}
					if _, err := auth.TokenFor(ctx, "billing", time.Minute); err != nil {
						t.Errorf("TokenFor: %v", err)
					}
					select {
					case <-auth.Ended(ctx):
						t.Error("Ended: the session has ended")
					default:
					}
					var page, form bytes.Buffer
					middleware.PageData.Render(ctx, &page)
					middleware.FormField.Render(ctx, &form)
					if !strings.Contains(page.String(), `"user_id":"u1"`) || !strings.Contains(form.String(), `value="ey`) {
						t.Errorf("page: %s\nform: %s", page.String(), form.String())
					}
				})
				get(g, "/", signIn(t, auth)...)
				if calls != 1 {
					t.Errorf("%d calls", calls)
				}
			})
		}
	}
}
