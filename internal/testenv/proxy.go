package testenv

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy is a TCP proxy on loopback between a client and a server. It can simulate failures of the
// network. It passes everything until a method changes that. Its methods may be called
// concurrently.
type Proxy struct {
	Addr string

	t        testing.TB
	listener net.Listener
	quit     chan struct{}
	running  sync.WaitGroup
	lost     atomic.Int64 // replies still to be lost
	losses   atomic.Int64 // replies that were lost

	mu      sync.Mutex
	backend string
	delay   time.Duration
	held    chan struct{} // closed by Pass; nil unless Hold was called
	pairs   map[*pair]struct{}
}

// pair is a client's connection and the server's.
type pair struct{ client, server net.Conn }

// NewProxy starts a proxy to the server at backend. It stops at the end of the test.
func NewProxy(t testing.TB, backend string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		Addr: l.Addr().String(), t: t, listener: l, quit: make(chan struct{}),
		backend: backend, pairs: make(map[*pair]struct{}),
	}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		close(p.quit)
		l.Close()
		p.Reset()
		p.running.Wait()
	})
	return p
}

// SetBackend sends new connections to another server. Existing connections stay.
func (p *Proxy) SetBackend(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backend = addr
}

// Delay delays all later data, in both directions, by d.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Hold makes the proxy a black hole: it accepts connections and keeps them open, but passes nothing
// until Pass. The held data then arrives, as after a network partition, even if the sender has
// gone.
func (p *Proxy) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = make(chan struct{})
	}
}

// Pass ends Hold.
func (p *Proxy) Pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		close(p.held)
		p.held = nil
	}
}

// LoseReply drops the next reply of the server, which has performed the request, and resets the
// connection.
func (p *Proxy) LoseReply() { p.lost.Store(1) }

// Lost returns how many replies were lost.
func (p *Proxy) Lost() int { return int(p.losses.Load()) }

// Reset resets all connections and returns their number.
func (p *Proxy) Reset() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.reset()
	}
	return len(p.pairs)
}

func (c *pair) reset() {
	for _, conn := range []net.Conn{c.client, c.server} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // makes Close send RST
		}
		conn.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	backend := p.backend
	p.mu.Unlock()
	server, err := net.Dial("tcp", backend)
	if err != nil {
		(&pair{client, client}).reset()
		return
	}
	c := &pair{client, server}
	p.mu.Lock()
	p.pairs[c] = struct{}{}
	p.mu.Unlock()
	select {
	case <-p.quit:
		c.reset() // too late for the Reset at the end
	default:
	}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.pairs, c)
	}()
	var both sync.WaitGroup
	both.Go(func() { p.pump(c, server, client, false) })
	both.Go(func() { p.pump(c, client, server, true) })
	both.Wait()
}

// pump copies bytes from one side to the other. At the end it closes only the receiver's side,
// because the other direction may still hold data.
func (p *Proxy) pump(c *pair, to, from net.Conn, replies bool) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !p.admit() {
				return
			}
			if replies && p.lost.CompareAndSwap(1, 0) {
				p.losses.Add(1)
				c.reset()
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err == io.EOF {
			p.admit() // closing is delayed, too
		}
		if err != nil {
			return
		}
	}
}

// admit waits until data may pass. It returns false when the proxy stops.
func (p *Proxy) admit() bool {
	p.mu.Lock()
	delay, held := p.delay, p.held
	p.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-p.quit:
			return false
		}
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-p.quit:
			return false
		}
	}
	return true
}
