package adaptertest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lucia-go/lucia/middleware"
)

// concurrentRequests is how many requests ConcurrentReads sends.
const concurrentRequests = 3000

// ConcurrentReads runs handlers that start goroutines which read the session in every way. They
// do so while the handler sets headers, signs in and out and writes the response, and after the
// request: an audit line, a mail, a page rendered in parts. Run it with -race.
func ConcurrentReads(t *testing.T, h Harness) {
	var reads sync.WaitGroup
	var seen atomic.Int64
	var w *world
	read := func(ctx context.Context, r *http.Request) {
		if s := w.auth.Session(ctx); s != nil && s.User.ID == "u1" {
			seen.Add(1)
		}
		if o := w.auth.Outcome(ctx); o > middleware.OutcomeSignedOut {
			t.Errorf("outcome %v", o)
		}
		w.auth.ValidateRequestByCookie(r)
		w.auth.ValidateRequest(r)
		w.auth.ValidateFormSubmission(r)
		for _, c := range []middleware.Component{middleware.PageData, middleware.FormField} {
			c.HTML(ctx)
			c.Render(ctx, io.Discard)
		}
	}
	start := func(ctx context.Context, r *http.Request, over <-chan struct{}) {
		reads.Go(func() { read(ctx, r) }) // during the request
		reads.Go(func() { <-over; read(ctx, r) })
	}
	w = buildWorld(t, h, App{Routes: []Route{{Path: "/orders", Handler: func(c Call) {
		start(c.R.Context(), c.R, c.R.Context().Done())
		start(context.WithoutCancel(c.R.Context()), c.R, c.R.Context().Done())
		for i := range 20 {
			c.W.Header().Set(fmt.Sprintf("X-Order-%d", i), "7")
		}
		if err := w.act(c); err != nil {
			t.Error(err)
		}
		c.W.Header().Set("X-Order", "7")
		c.W.WriteHeader(http.StatusCreated)
		io.WriteString(c.W, "ordered")
	}}}}, func(c *middleware.Config[Profile]) { c.MaxSessions = 3 * concurrentRequests })
	addr := w.listen(t)
	b := w.browser().signIn("u1")
	var senders sync.WaitGroup
	for worker := range 4 {
		senders.Go(func() {
			for i := worker; i < concurrentRequests; i += 4 {
				b.order(addr, i)
			}
		})
	}
	senders.Wait()
	reads.Wait()
	if n := seen.Load(); n < concurrentRequests {
		t.Errorf("the session was seen %d times", n)
	}
}

// act changes the request's session as the request asks.
func (w *world) act(c Call) error {
	switch c.R.Header.Get("X-Act") {
	case "in":
		_, err := w.auth.SignIn(c.W, c.R, "u2")
		return err
	case "out":
		return w.auth.SignOut(c.W, c.R)
	case "reload":
		return w.auth.Reload(c.W, c.R)
	}
	return nil
}

// order sends one of the requests: in turn with a session, with a session that it signs out of, and
// without a session.
func (b *browser) order(addr string, i int) {
	own := b
	header := script.and()
	switch i % 20 {
	case 3:
		own = b.world.browser()
		header = navigation.and("X-Act", "in")
	case 7:
		header = script.and("X-Act", "reload")
	case 11:
		own = b.world.browser().signIn("u2")
		header = script.and("X-Act", "out")
	case 13:
		header = image
	}
	header = header.and("Content-Type", "application/x-www-form-urlencoded")
	r := own.request("POST", "http://"+addr+"/orders", "item=7", header...)
	r.RequestURI = ""
	resp, err := b.world.network.RoundTrip(r)
	if err != nil {
		b.t.Error(err)
		return
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusCreated {
		b.t.Errorf("status %d", resp.StatusCode)
	}
}
