package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lucia-go/lucia"
)

// Build adds an Auth and the routes to a site.
type Build func(*Site) (*lucia.Auth[Profile], http.Handler, error)

// Main runs an example until SIGINT or SIGTERM. It exits with 0, with 2 if the flags are invalid,
// and with 1 after other errors.
func Main(framework string, build Build) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	o, err := ParseFlags("lucia on "+framework, os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, framework, o, build, log)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, framework string, o Options, build Build, log *slog.Logger) error {
	site, err := NewSite(framework, o, log)
	if err != nil {
		return err
	}
	defer site.Close()
	auth, handler, err := build(site)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return err
	}
	site.checkStore(ctx)
	if o.Admin != "" {
		password, err := site.makeAdmin(ctx, o.Admin)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		if password != "" {
			fmt.Fprintf(os.Stderr, "The password of %s is %s\n", o.Admin, password)
		}
	}
	var certificate *tls.Certificate
	if o.TLS {
		if certificate, err = newCertificate(); err != nil {
			return err
		}
	}
	announce(framework, listener.Addr(), o)
	defer auth.Close()
	if certificate != nil {
		fmt.Println("SPKI", spki(certificate.Leaf))
	}
	return site.serve(ctx, listener, site.Outer(handler), auth, certificate)
}

// announce prints the app's URL, for a person to click and for a program to read.
func announce(framework string, addr net.Addr, o Options) {
	host, port, _ := net.SplitHostPort(addr.String()) // a listener's address is valid
	if net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	scheme := "http"
	if o.TLS {
		scheme = "https"
	}
	fmt.Printf("lucia on %s: %s://%s\n", framework, scheme, net.JoinHostPort(host, port))
	if o.Redis != nil && o.RandomSecret {
		fmt.Fprintln(os.Stderr, "Without -secret, sessions end with this process, and other servers do not accept them.")
	}
}

// serve serves until ctx ends. It then ends the streams of events and waits for the requests in
// progress and for pending calls of the store. It serves https if there is a certificate.
func (s *Site) serve(ctx context.Context, listener net.Listener, handler http.Handler, auth *lucia.Auth[Profile], certificate *tls.Certificate) error {
	const (
		headerTimeout = 5 * time.Second
		readTimeout   = 15 * time.Second
		idleTimeout   = 2 * time.Minute
		patience      = 10 * time.Second
		maxHeader     = 32 << 10
	)
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
	}
	failed := make(chan error, 1)
	go func() {
		if certificate == nil {
			failed <- server.Serve(listener)
			return
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}}
		failed <- server.ServeTLS(listener, "", "")
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	close(s.stopping)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return errors.Join(server.Shutdown(ctx), auth.Flush(ctx))
}
