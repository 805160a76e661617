// Command cli is a command-line tool that stays signed in to an app between its
// runs. It works with any of the example servers:
//
//	go run ./examples/nethttp &
//	go run ./examples/cli signup ada     # or login; asks for the password
//	go run ./examples/cli me             # who the server says I am
//	go run ./examples/cli watch          # follow the session until Ctrl-C
//	go run ./examples/cli logout
//
// The session is kept in a file that only its owner may read, one per server. Any
// number of runs may work at the same time.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/session"
)

// user is the user as the servers describe it. This tool prints all attributes.
type user = map[string]any

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, explain(err))
		stop()
		os.Exit(1)
	}
}

// explain describes an error's code to a person.
func explain(err error) string {
	switch {
	case errors.Is(err, session.CodeNotAuthenticated):
		return "Not signed in."
	case errors.Is(err, session.CodeUnauthorized):
		return "Not signed in, or the name or password is wrong."
	case errors.Is(err, session.CodeDatabaseFetchFailed), errors.Is(err, session.CodeDatabaseUpdateFailed):
		return "The server is unavailable at the moment. Please try again."
	}
	return err.Error()
}

const usage = "usage: cli [-url URL] [-session FILE] signup NAME | login NAME | me | watch | logout"

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("cli", flag.ContinueOnError)
	server := flags.String("url", "http://127.0.0.1:8080", "the server")
	file := flags.String("session", "", "where to keep the session (default: a file per server in the user's configuration directory)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	command, name := flags.Arg(0), flags.Arg(1)
	c, err := open(ctx, *server, *file, command == "signup" || command == "login")
	if err != nil {
		return err
	}
	switch {
	case (command == "signup" || command == "login") && name != "":
		err = signIn(ctx, c, "/"+command, name, stdin, stdout)
	case command == "me":
		err = me(ctx, c, *server, stdout)
	case command == "watch":
		err = watch(ctx, c, stdout)
	case command == "logout":
		err = c.SignOut(ctx)
	default:
		err = errors.New(usage)
	}
	if err != nil {
		return err
	}
	return c.SaveErr() // the next run starts from what is saved
}

// open returns a client with the session of the last run. If anew is set and the saved session
// cannot be read, open removes it to allow a new sign-in.
func open(ctx context.Context, server, file string, anew bool) (*client.Client[user], error) {
	if file == "" {
		u, err := url.Parse(server)
		if err != nil {
			return nil, err
		}
		dir, err := os.UserConfigDir()
		if err != nil {
			return nil, err
		}
		name := strings.NewReplacer(":", "_", "[", "", "]", "").Replace(u.Scheme + "_" + u.Host)
		file = filepath.Join(dir, "lucia-cli", name+".json")
	}
	store := client.NewFileStore(file)
	c, err := client.New[user](ctx, client.Config{BaseURL: server, TokenStore: store})
	if anew && errors.Is(err, client.ErrSavedSession) {
		if err = remove(ctx, store); err == nil {
			c, err = client.New[user](ctx, client.Config{BaseURL: server, TokenStore: store})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func remove(ctx context.Context, store client.TokenStore) error {
	unlock, err := store.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return store.Save(ctx, nil)
}

// signIn submits the server's form at path, which has the fields username and password.
func signIn(ctx context.Context, c *client.Client[user], path, name string, stdin io.Reader, stdout io.Writer) error {
	password, err := askPassword(ctx, stdin, stdout)
	if err != nil {
		return err
	}
	s, err := c.SignIn(ctx, path, url.Values{"username": {name}, "password": {password}})
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "Signed in as", describe(s.User))
	return nil
}

// askPassword reads a line, without echo if stdin is a terminal that supports it.
func askPassword(ctx context.Context, stdin io.Reader, stdout io.Writer) (string, error) {
	if f, ok := stdin.(*os.File); ok && isTerminal(f) {
		fmt.Fprint(stdout, "Password: ")
		if show, err := hideInput(f); err == nil {
			defer fmt.Fprintln(stdout)
			defer show()
		}
	}
	lines := make(chan string, 1)
	go func() { // a goroutine, because Ctrl-C does not interrupt reading
		line, _ := bufio.NewReader(stdin).ReadString('\n')
		lines <- strings.TrimRight(line, "\r\n")
	}()
	select {
	case line := <-lines:
		if line == "" {
			return "", errors.New("no password given")
		}
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// me asks the server's API.
func me(ctx context.Context, c *client.Client[user], server string, stdout io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(server, "/")+"/api/me", nil)
	if err != nil {
		return err
	}
	resp, err := c.HTTPClient().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s\n", bytes.TrimRight(body, "\n"))
		return nil
	case http.StatusUnauthorized:
		return session.CodeUnauthorized
	}
	return fmt.Errorf("the server says %s", resp.Status)
}

// watch prints the session whenever it changes and keeps its tokens fresh.
func watch(ctx context.Context, c *client.Client[user], stdout io.Writer) error {
	if c.GetSession().Get() == nil {
		return session.CodeNotAuthenticated
	}
	unsubscribe := c.GetSession().Subscribe(func(s *session.Session[user]) {
		if s == nil {
			fmt.Fprintln(stdout, "Signed out.")
			return
		}
		fmt.Fprintf(stdout, "%s, fresh until %s\n", describe(s.User), s.ExpiresAt.Format(time.TimeOnly))
	})
	defer unsubscribe()
	c.HandleSilentRefresh(ctx, func(err error) { fmt.Fprintln(stdout, explain(err)) })
	return nil
}

func describe(u session.User[user]) string {
	data, err := json.Marshal(u)
	if err != nil {
		return u.ID
	}
	return string(data)
}
