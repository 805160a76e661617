package adaptertest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// testConnections checks handlers that use the connection itself, on a real listener.
func testConnections(t *testing.T, h Harness) {
	t.Run("server-sent events", func(t *testing.T) { t.Parallel(); testEvents(t, h) })
	t.Run("hijacking", func(t *testing.T) { t.Parallel(); testHijack(t, h) })
	t.Run("read from the network", func(t *testing.T) { t.Parallel(); testOverNetwork(t, h) })
}

// listen serves a world on a loopback port and returns host and port. network reaches it over
// connections that no other test uses. Otherwise another server might get the port of one that has
// closed, and a POST on a connection to the closed one would fail.
func (w *world) listen(t *testing.T) string {
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	w.network = server.Client().Transport
	return strings.TrimPrefix(server.URL, "http://")
}

// testEvents reads an event while the handler is still running: the handler waits until the event
// has been read.
func testEvents(t *testing.T, h Harness) {
	read := make(chan struct{})
	w := buildWorld(t, h, App{Routes: []Route{{Path: "/events", Handler: func(c Call) {
		c.W.Header().Set("Content-Type", "text/event-stream")
		for i := range 2 {
			fmt.Fprintf(c.W, "data: %s %d\n\n", c.Session().User.ID, i)
			if err := http.NewResponseController(c.W).Flush(); err != nil {
				t.Error(err)
			}
			select {
			case <-read:
			case <-c.R.Context().Done():
				return
			}
		}
	}}}})
	b := noAccessBrowser(w)
	r := b.request("GET", "http://"+w.listen(t)+"/events", "", script...)
	r.RequestURI = ""
	resp, err := w.network.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	want(t, "cookies, before the first event", effect(resp), renewed)
	want(t, "Cache-Control", resp.Header.Get("Cache-Control"), "private, no-store")
	lines := bufio.NewReader(resp.Body)
	for i := range 2 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		want(t, "event", line, fmt.Sprintf("data: u1 %d\n", i))
		lines.ReadString('\n')
		read <- struct{}{}
	}
}

func noAccessBrowser(w *world) *browser {
	b := w.browser()
	noAccess(b)
	return b
}

// testHijack takes over the connection after the upgrade request of a WebSocket and sends data on
// it. A page of another origin gets no session this way.
func testHijack(t *testing.T, h Harness) {
	w := buildWorld(t, h, App{Routes: []Route{{Path: "/socket", Require: true, Handler: func(c Call) {
		conn, rw, err := http.NewResponseController(c.W).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		rw.Flush()
		io.Copy(rw, io.LimitReader(rw, 4)) // an echo of four bytes
		fmt.Fprint(rw, c.Session().User.ID)
		rw.Flush()
	}}}})
	addr := w.listen(t)
	b := w.browser().signIn("u1")

	conn, resp, rest := b.upgrade(addr, websocket.and("Sec-Fetch-Site", "same-origin"))
	want(t, "status", resp.StatusCode, 101)
	io.WriteString(conn, "ping")
	said, err := io.ReadAll(rest)
	want(t, "what the socket sends", string(said), "pingu1")
	want(t, "error", err, nil)
	_, resp, _ = b.upgrade(addr, websocket.and(elsewhere...))
	want(t, "status from another origin", resp.StatusCode, 403)
	_, resp, _ = w.browser().upgrade(addr, websocket)
	want(t, "status signed out", resp.StatusCode, 401)
}

// upgrade sends an upgrade request and returns the connection and the response.
func (b *browser) upgrade(addr string, h headers) (net.Conn, *http.Response, io.Reader) {
	b.t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	r := b.request("GET", "http://"+addr+"/socket", "", h...)
	if err := r.Write(conn); err != nil {
		b.t.Fatal(err)
	}
	rest := bufio.NewReader(conn)
	resp, err := http.ReadResponse(rest, r)
	if err != nil {
		b.t.Fatal(err)
	}
	return conn, resp, rest
}

// testOverNetwork checks the responses without a body on the network.
func testOverNetwork(t *testing.T, h Harness) {
	w := newWorld(t, h)
	addr := w.listen(t)
	b := w.browser().signIn("u1")
	for _, c := range []struct {
		method, path string
		header       headers
		status       int
	}{
		{"HEAD", "/api/auth/client.js", nil, 200},
		{"GET", "/private", navigation.and("Cookie", "a=b"), 303},
		{"POST", "/api/auth/logout", headers{"Authorization", "Bearer " + string(b.bearer)}, 204},
	} {
		r := b.request(c.method, "http://"+addr+c.path, "", c.header...)
		r.RequestURI = ""
		if c.status == 303 {
			r.Header.Set("Cookie", "a=b")
		}
		resp, err := w.network.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		want(t, c.path, resp.StatusCode, c.status)
		want(t, "body of "+c.path, string(body), "")
		want(t, "error of "+c.path, err, nil)
	}
}
