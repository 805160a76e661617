package redisstore_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// canned is a client's hook that replies in the server's place.
type canned struct {
	reply   any                // of a script
	entries [][]redis.XMessage // pages of the stream, one for each call
	args    []any              // of the last command
}

func (c *canned) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *canned) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (c *canned) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		c.args = cmd.Args()
		switch cmd := cmd.(type) {
		case *redis.Cmd:
			cmd.SetVal(c.reply)
		case *redis.XMessageSliceCmd:
			var page []redis.XMessage
			if len(c.entries) > 0 {
				page, c.entries = c.entries[0], c.entries[1:]
			}
			cmd.SetVal(page)
		}
		return nil
	}
}

// newCanned returns a store whose server is the hook.
func newCanned(f *testing.F) (*redisstore.Store, *canned) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	f.Cleanup(func() { client.Close() })
	hook := new(canned)
	client.AddHook(hook)
	return redisstore.New(client, longTimeout), hook
}

// FuzzReply gives the store any reply of a server to each of its calls. The replies contain records
// and details as they are stored, so another program may have written parts of them. A reply is
// refused, or the record and the details that the store reads have the stored form that was read.
func FuzzReply(f *testing.F) {
	const at = "\x01\x92\x00\x00\x00\x00"
	record := string(packed(session.Record{Generation: 2, IssuedAt: 5, ConfirmedAt: 6, CreatedAt: 4, ExpiresAt: 1 << 47}))
	id := strings.Repeat("i", 16)
	listed := func(v string) string { return at + id + string([]byte{byte(len(v) >> 8), byte(len(v))}) + v }
	for _, reply := range []string{
		"", at, at + record, at + record + id + id, at + record + "x", "\x00" + at, "\x01" + at + record, "\x02" + at, "\x05" + at, "\x06" + at + record,
		"\xff" + at, "\xff" + at + "\x02", "\x01" + at + "\x02" + record[1:], "\x01" + at + record + "\x07Firefox\x00",
		at + string(packed(session.Record{})), "\x01" + at + string(packed(session.Record{})), "\x00" + at + string(packed(session.Record{})),
		listed(record), listed(record) + listed(record)[6:], listed(record[:28]), listed("\x02" + record[1:]), at + id + "\xff\xff",
		listed(record + "\x07Firefox\x00"), listed(record + "\x00\x19\xcb\x00\x71"), listed(record + "\x00\x52\x20\x01\x0d\xb8\x00\x01"),
		listed(record + "\x81F\x00root"), listed(record + "\x01F\x00root"), listed(record + "\x81F\x00"), listed(record + "\x00\x00"),
		listed(record + "\x02\xff\xfe\x00"), listed(record + "\x78" + strings.Repeat("x", 120) + "\x00"), listed(record + "\x00\xa3"),
		listed(record + "\x00\x19\xcb\x00\x71\xff"), listed(record + "\x80\x00" + strings.Repeat("a", 300)),
	} {
		f.Add(reply)
	}
	store, hook := newCanned(f)
	ctx := context.Background()
	// written returns the value that the store would write for details, in the argument of Create.
	written := func(t *testing.T, d session.Details) string {
		hook.reply = at
		if _, err := store.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{1}, Policy: long, Max: 5, Details: d}); err != nil {
			t.Fatalf("details %+v that were read cannot be written: %v", d, err)
		}
		return string(hook.args[len(hook.args)-2].([]byte))
	}
	f.Fuzz(func(t *testing.T, reply string) {
		hook.reply = reply
		created, err := store.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{1}, Policy: long, Max: 5})
		switch {
		case err != nil && (created.Record != session.Record{} || created.Ended != nil):
			t.Errorf("Create = %+v and %v", created, err)
		case err == nil && created.Created() && reply[6:35] != string(packed(created.Record)):
			t.Errorf("Create reads %q as %+v", reply, created)
		case err == nil && !created.Created() && (len(reply) != 6 || created.Ended != nil):
			t.Errorf("Create reads %q as a refusal: %+v", reply, created)
		}
		refreshed, err := store.Refresh(ctx, session.RefreshParams{UserID: "ann", ID: session.ID{1}, Policy: long})
		switch {
		case err != nil && refreshed != session.RefreshResult{}:
			t.Errorf("Refresh = %+v and %v", refreshed, err)
		case err == nil && refreshed.Outcome.Alive() && len(reply) < 36:
			t.Errorf("Refresh = %+v without a record", refreshed)
		case err == nil && len(reply) > 7 && reply[7:36] != string(packed(refreshed.Record)):
			t.Errorf("Refresh reads %q as %+v", reply, refreshed)
		}
		if err := store.Confirm(ctx, session.ConfirmParams{UserID: "ann", ID: session.ID{1}}); (err == nil) != (reply == "") {
			t.Errorf("Confirm: %v for %q", err, reply)
		}
		live, err := store.List(ctx, "ann")
		if err != nil && live != nil {
			t.Errorf("List = %v and %v", live, err)
		}
		for id, e := range live {
			if e.Record.Generation == 0 || !utf8.ValidString(e.Label) || len(e.Label) > session.MaxLabelBytes {
				t.Errorf("List returns %+v", e)
			}
			stored := string(packed(e.Record))
			if at := strings.Index(reply, string(id[:])); at < 0 || !strings.Contains(reply[at:], stored) {
				t.Errorf("List reads %+v in %q", e, reply)
			} else if stored += written(t, e.Details); e.Details != (session.Details{}) && !strings.Contains(reply[at:], stored) {
				t.Errorf("List reads the details %+v in %q, which are written as %q", e.Details, reply, stored)
			}
		}
	})
}

// FuzzFeedEntry gives the store any entry of the stream of notices. The store skips the entry, or
// the notice that it returns is the one that Publish would write in this form.
func FuzzFeedEntry(f *testing.F) {
	const id = "c2Vzc2lvbi1zYW1wbGUtMQ"
	f.Add("1-1", "end", "u1", "", "1700000000")
	f.Add("1-1", "reload", "u1", id, "-1")
	for _, s := range [][5]string{
		{"1-1", "newer", "u1", "", "1"}, {"1-1", "end", "", "", "1"}, {"1-1", "end", "u1", "AAAA", "1"}, {"1-1", "end", "u1", "", ""},
		{"", "end", "u1", "", "+1"}, {"1-1", "end", "\xff", id + "\n", "1"}, {"1-1", "END", "u1", "", "99999999999999999999"}, {"1-1", "end", "u1", "", "0x1"},
		{"1-1", "end", strings.Repeat("u", 300), "", "1"}, {"1-1", "end", "u1", "AAAAAAAAAAAAAAAAAAAAAA", "1"},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	store, hook := newCanned(f)
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, position, kind, user, sessionID, until string) {
		entry := redis.XMessage{ID: position, Values: map[string]any{"kind": kind, "user": user, "session": sessionID, "until": until}}
		good := redis.XMessage{ID: "9-9", Values: map[string]any{"kind": "end", "user": "u9", "session": "", "until": "9"}}
		hook.entries = [][]redis.XMessage{{entry, good}}
		notices, next, err := store.ReadFeed(ctx, "")
		if err != nil || next != "9-9" || len(notices) == 0 || len(notices) > 2 || notices[len(notices)-1].UserID != "u9" {
			t.Fatalf("ReadFeed = %+v, %q, %v", notices, next, err)
		}
		if len(notices) == 1 {
			return
		}
		n := notices[0]
		if session.CheckUserID(n.UserID) != nil {
			t.Errorf("a notice about the user %q", n.UserID)
		}
		hook.reply = ""
		if err := store.Publish(ctx, n, 0); err != nil {
			t.Fatal(err)
		}
		for i, want := range []any{kind, user, sessionID} {
			if got := hook.args[len(hook.args)-4+i]; got != want {
				t.Errorf("%+v is published with %q, want %q", n, got, want)
			}
		}
		if at, err := strconv.ParseInt(until, 10, 64); err != nil || hook.args[len(hook.args)-1] != at {
			t.Errorf("%+v is published with %v, want %q", n, hook.args[len(hook.args)-1], until)
		}
	})
}

// FuzzParseURL gives ParseURL any URL with a password. An error does not contain it. Options name
// hosts that can be dialled.
func FuzzParseURL(f *testing.F) {
	for _, s := range [][2]string{
		{"redis://u:", "@cache:1/2"}, {"rediss://:", "@a,b:7001"}, {"sentinel://u:", "@s1,s2:7002/main/2"}, {"unix://u:", "@/run/redis.sock"},
		{"redis://u:", "cache"}, {"redis://u:/", "@h"}, {"redis://u:12/", "@h"}, {"redis://a:", ",b"}, {"redis://a/", ""}, {"", "://a"}, {"unix://run/", ".sock"},
		{"redis://u:%zz", "@a"}, {"redis://a?", ""}, {"redis://[::1", "]"}, {"redis://u:p@[", "]:1"}, {"redis://a:1", "\x00"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "hunter22"
		opts, err := redisstore.ParseURL(before + secret + after)
		if (opts == nil) == (err == nil) {
			t.Fatalf("ParseURL = %+v, %v", opts, err)
		}
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error contains the password: %v", err)
			}
			return
		}
		unix := strings.HasPrefix(before+secret+after, "unix:")
		for _, addr := range opts.Addrs {
			if unix && strings.HasPrefix(addr, "/") {
				continue
			}
			host, port, err := net.SplitHostPort(addr)
			if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" || strings.ContainsAny(host, "@/?#\\ \x00\r\n") {
				t.Errorf("%q has the address %q", before+secret+after, addr)
			}
		}
		if len(opts.Addrs) == 0 || opts.DB < 0 || opts.DB > 0 && opts.IsClusterMode {
			t.Errorf("%q: %+v", before+secret+after, opts)
		}
	})
}
