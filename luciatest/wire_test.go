package luciatest_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/luciatest"
)

// transports returns the two transports that must behave alike: luciatest's, and one to a server
// for every host, over http and https.
func transports(t *testing.T, handler http.Handler) map[string]http.RoundTripper {
	t.Helper()
	plain, secure := httptest.NewUnstartedServer(handler), httptest.NewUnstartedServer(handler)
	for _, server := range []*httptest.Server{plain, secure} {
		server.Config.ErrorLog = log.New(t.Output(), "", 0)
		t.Cleanup(server.Close)
	}
	plain.Start()
	secure.StartTLS()
	return map[string]http.RoundTripper{
		"luciatest": luciatest.Transport(handler),
		"network": &http.Transport{
			DisableCompression: true, // net/http would otherwise ask for gzip
			TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				to := plain
				if strings.HasSuffix(addr, ":443") {
					to = secure
				}
				return new(net.Dialer).DialContext(ctx, network, to.Listener.Addr().String())
			},
		},
	}
}

// seen is the part of a request that handlers use.
type seen struct {
	Method, RequestURI, Host              string
	URL, URLScheme, URLHost, Path, Query  string
	Proto                                 string
	Major, Minor                          int
	ContentLength                         int64
	TransferEncoding                      []string
	Header, Trailer                       http.Header
	Body                                  string
	HasForm, HasRemoteAddr, Close, HasTLS bool
	TLSVersion                            uint16
	TLSServerName                         string
	TLSDone                               bool
}

func see(r *http.Request) seen {
	s := seen{
		Method: r.Method, RequestURI: r.RequestURI, Host: r.Host,
		URL: r.URL.String(), URLScheme: r.URL.Scheme, URLHost: r.URL.Host, Path: r.URL.Path, Query: r.URL.RawQuery,
		Proto: r.Proto, Major: r.ProtoMajor, Minor: r.ProtoMinor,
		ContentLength: r.ContentLength, TransferEncoding: r.TransferEncoding,
		Header: r.Header.Clone(), Trailer: r.Trailer.Clone(), Close: r.Close,
		HasForm: r.Form != nil || r.PostForm != nil || r.MultipartForm != nil, HasTLS: r.TLS != nil,
	}
	_, err := netip.ParseAddrPort(r.RemoteAddr)
	s.HasRemoteAddr = err == nil
	if r.TLS != nil {
		s.TLSVersion, s.TLSServerName, s.TLSDone = r.TLS.Version, r.TLS.ServerName, r.TLS.HandshakeComplete
	}
	body, _ := io.ReadAll(r.Body)
	s.Body = string(body)
	return s
}

func TestTransportMatchesAServersRequest(t *testing.T) {
	t.Parallel()
	short := func() io.Reader { return strings.NewReader("a=1") }
	stream := func() io.Reader { return bufio.NewReader(short()) } // of unknown length
	nothing := func() io.Reader { return nil }
	cookies := func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: "a", Value: "1"})
		r.AddCookie(&http.Cookie{Name: "b", Value: "2"})
	}
	for name, c := range map[string]struct {
		method, url string
		body        func() io.Reader
		change      func(*http.Request)
	}{
		"path and query":         {method: "GET", url: "https://app.example/a%20b/c?x=1&y=%2F"},
		"http":                   {method: "GET", url: "http://app.example/"},
		"no path":                {method: "GET", url: "https://app.example?x"},
		"two slashes":            {method: "GET", url: "https://app.example//other.example/x"},
		"fragment":               {method: "GET", url: "https://app.example/a#b"},
		"port":                   {method: "GET", url: "https://app.example:443/"},
		"address":                {method: "GET", url: "https://127.0.0.1/"},
		"address, version 6":     {method: "GET", url: "https://[::1]/"},
		"cookies":                {method: "GET", url: "https://app.example/", change: cookies},
		"another Host":           {method: "GET", url: "https://app.example/", change: func(r *http.Request) { r.Host = "other.example" }},
		"Close":                  {method: "GET", url: "https://app.example/", change: func(r *http.Request) { r.Close = true }},
		"space in a header":      {method: "GET", url: "https://app.example/", change: func(r *http.Request) { r.Header.Set("X-A", " b ") }},
		"own User-Agent":         {method: "GET", url: "https://app.example/", change: func(r *http.Request) { r.Header.Set("User-Agent", "x") }},
		"body":                   {method: "POST", url: "https://app.example/", body: short},
		"body of unknown length": {method: "POST", url: "https://app.example/", body: stream},
		"no body":                {method: "POST", url: "https://app.example/"},
		"empty body":             {method: "POST", url: "https://app.example/", body: func() io.Reader { return http.NoBody }},
		"DELETE":                 {method: "DELETE", url: "https://app.example/x"},
		"HEAD":                   {method: "HEAD", url: "https://app.example/x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.body == nil {
				c.body = nothing
			}
			var got seen
			answers := map[string]seen{}
			for way, transport := range transports(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = see(r) })) {
				req, err := http.NewRequestWithContext(t.Context(), c.method, c.url, c.body())
				if err != nil {
					t.Fatal(err)
				}
				if c.change != nil {
					c.change(req)
				}
				resp, err := transport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				answers[way] = got
			}
			if diff := cmp.Diff(answers["network"], answers["luciatest"]); diff != "" {
				t.Errorf("the handler's request (-network +luciatest):\n%s", diff)
			}
		})
	}
}

func TestTransportMatchesAServersAnswer(t *testing.T) {
	t.Parallel()
	const page = "<!doctype html><form></form>"
	for name, handler := range map[string]http.HandlerFunc{
		"nothing":   func(http.ResponseWriter, *http.Request) {},
		"a body":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) },
		"a status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(422) },
		"both":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(422); w.Write([]byte(page)) },
		"no text":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(422); w.Write(nil) },
		"no text 2": func(w http.ResponseWriter, _ *http.Request) { w.Write(nil) },
		"in pieces": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "<!doc")
			io.WriteString(w, "type html>")
		},
		"flushed in between": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "text")
			w.(http.Flusher).Flush()
			io.WriteString(w, "\x00")
			w.(http.Flusher).Flush()
		},
		"flushed first": func(w http.ResponseWriter, _ *http.Request) {
			http.NewResponseController(w).Flush()
			io.WriteString(w, page)
		},
		"long": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page+strings.Repeat("\x00", 1<<16)) },
		"encoded": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			w.Write([]byte(page))
		},
		"encoded, with a status": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			w.WriteHeader(422)
			w.Write([]byte(page))
		},
		"transfer encoding": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Transfer-Encoding", "identity")
			w.WriteHeader(422)
			w.Write([]byte(page))
		},
		"a type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/x")
			w.WriteHeader(422)
			w.Write([]byte(page))
		},
		"no type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			w.WriteHeader(422)
			w.Write([]byte(page))
		},
		"a type too late": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(422)
			w.Header().Set("Content-Type", "text/x")
			w.Write([]byte(page))
		},
		"a second status": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(page)); w.WriteHeader(422) },
		"news first": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(422)
			w.Write([]byte(page))
		},
		"not modified, with a type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/x")
			w.WriteHeader(304)
		},
		"no content":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); w.Write([]byte(page)) },
		"not modified": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304); io.WriteString(w, page) },
	} {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				answers := map[string]answer{}
				for way, transport := range transports(t, handler) {
					req, _ := http.NewRequestWithContext(t.Context(), method, "http://app.example/", nil)
					resp, err := transport.RoundTrip(req)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(resp.Body)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					answers[way] = answer{resp.StatusCode, resp.Header.Values("Content-Type"), string(body)}
				}
				if diff := cmp.Diff(answers["network"], answers["luciatest"]); diff != "" {
					t.Errorf("the answer (-network +luciatest):\n%s", diff)
				}
			})
		}
	}
}

// 101 is a final status, unlike the other informational ones.
func TestTransportAnswersWithAChangeOfProtocols(t *testing.T) {
	t.Parallel()
	transport := luciatest.Transport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusSwitchingProtocols)
	}))
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://app.example/", nil)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// The handler's context ends when the client gives up.
func TestTransportCancelsTheHandlersContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := luciatest.Transport(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", "https://app.example/", nil)
		start := time.Now()
		if resp, err := transport.RoundTrip(req); err == nil {
			resp.Body.Close()
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("the handler continued for %v", took)
		}
	})
}

type answer struct {
	Status int
	Type   []string
	Body   string
}

// Write returns the same results to a handler as on a server.
func TestTransportReturnsTheResultsOfWrites(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"a body": 200, "no body": 204} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			returned := map[string][]any{}
			var got []any
			for way, transport := range transports(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				n1, err1 := w.Write(nil)
				n2, err2 := w.Write([]byte("ab"))
				n3, err3 := io.WriteString(w, "abc")
				got = []any{n1, err1, n2, err2, n3, err3}
			})) {
				req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://app.example/", nil)
				resp, err := transport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				returned[way] = got
			}
			for i, want := range returned["network"] {
				if returned["luciatest"][i] != want {
					t.Errorf("the handler's writes returned %v, want %v", returned["luciatest"], returned["network"])
				}
			}
		})
	}
}

// A handler's context has none of the client's values. It is cancelled with the client's context
// and when the handler returns. A handler that makes a request to its own app is a client of that
// app, and its request is unauthenticated.
func TestTransportPassesNoContextValues(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	mux := http.NewServeMux()
	var app http.Handler
	var kept context.Context
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, r *http.Request) {
		if s := kit.Auth.Session(r.Context()); s != nil {
			io.WriteString(w, s.User.ID)
		}
	})
	mux.HandleFunc("GET /outer", func(w http.ResponseWriter, r *http.Request) {
		kept = r.Context()
		inner, err := http.NewRequestWithContext(r.Context(), "GET", "https://app.example/who", nil)
		if err != nil {
			t.Fatal(err)
		}
		inner.Header.Set("Accept", "text/html")
		resp, err := luciatest.Transport(app).RoundTrip(inner)
		if err != nil {
			t.Fatal(err)
		}
		who, err := io.ReadAll(resp.Body)
		fmt.Fprintf(w, "%s within %s, %v", who, kit.Auth.Session(r.Context()).User.ID, err)
	})
	app = nethttp.Wrap(kit.Auth, mux)
	browser := luciatest.NewBrowser(t, app)
	if got := kit.SignIn(browser, "u1").Open("/outer").Page().Body; got != " within u1, <nil>" {
		t.Errorf("got %q", got)
	}
	if kept.Err() == nil {
		t.Error("the context has not ended although the handler has returned")
	}
}
