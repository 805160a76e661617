package redisstore

import (
	"context"
	"crypto/sha1"
	_ "embed" // for the scripts
	"encoding/hex"

	"github.com/redis/go-redis/v9"
)

// The scripts implement the rule of package session. The suite of session/sessiontest compares
// every outcome and record with the Go functions.
var (
	//go:embed lua/record.lua
	recordLua string
	//go:embed lua/create.lua
	createLua string
	//go:embed lua/refresh.lua
	refreshLua string
	//go:embed lua/confirm.lua
	confirmLua string
	//go:embed lua/list.lua
	listLua string
	//go:embed lua/undo.lua
	undoLua string
	//go:embed lua/publish.lua
	publishLua string
)

// script is an operation that the server runs in one atomic step.
type script struct {
	source string
	digest any // identifies it on the server; a string, boxed once
}

func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source, hex.EncodeToString(sum[:])}
}

// on returns the request to run the script on the hash at key.
func (s script) on(key string, args ...any) request {
	const fixed = 4
	all := make([]any, fixed, fixed+2)
	all[0], all[1], all[2], all[3] = "evalsha", s.digest, 1, key
	return request{args: append(all, args...), keyAt: 3, source: s.source}
}

// request is one command on one key.
type request struct {
	args   []any
	keyAt  int8   // where in args the key is
	source string // of the script, if args has a script's digest
}

// processor is the method that a client and a single connection have in common.
type processor interface {
	Process(context.Context, redis.Cmder) error
}

// deferred wraps a client's deferred pipeline. Its Process waits for the reply, which that of the
// pipeline does not.
type deferred struct{ pipeline *redis.AutoPipeliner }

// Process implements processor. A command whose ctx ends first stays in the pipeline.
func (d deferred) Process(ctx context.Context, cmd redis.Cmder) error {
	return d.pipeline.Submit(ctx, cmd).WaitContext(ctx)
}

func processorOf(client redis.UniversalClient) processor {
	if p, ok := client.(*redis.AutoPipeliner); ok && !p.IsBlocking() {
		return deferred{p}
	}
	return client
}

// command returns the request as a command of the client.
func (r request) command(ctx context.Context) *redis.Cmd {
	cmd := redis.NewCmd(ctx, r.args...)
	cmd.SetFirstKeyPos(r.keyAt)
	return cmd
}

// send sends the request through p and returns the reply, or "" if the reply is not a string.
func (r request) send(ctx context.Context, p processor) (string, error) {
	cmd := r.command(ctx)
	err := p.Process(ctx, cmd)
	if r.unknown(err) {
		cmd = r.inFull().command(ctx)
		err = p.Process(ctx, cmd)
	}
	if err != nil {
		return "", err
	}
	return text(cmd), nil
}

// unknown reports whether the server does not have the script, because it was started or promoted
// recently or its scripts were flushed.
func (r request) unknown(err error) bool {
	return err != nil && r.source != "" && redis.HasErrorPrefix(err, "NOSCRIPT")
}

// inFull returns the request with the script's source instead of its digest. It also makes the
// script known to the server.
func (r request) inFull() request {
	args := append([]any{"eval", r.source}, r.args[2:]...)
	return request{args: args, keyAt: r.keyAt}
}

// text returns the reply of a command that has succeeded. The scripts reply with strings, and
// other replies are not used.
func text(cmd *redis.Cmd) string {
	s, _ := cmd.Val().(string)
	return s
}
