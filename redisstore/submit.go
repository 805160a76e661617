package redisstore

import (
	"context"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// submitter sends requests through the deferred pipelining face of a client.
// Submitting does not wait, so no goroutine is needed to walk away from.
type submitter struct {
	pipeline *redis.AutoPipeliner
	left     atomic.Int64 // callers that walked away since the last answer
}

// newSubmitter returns nil unless client is a deferred pipelining face.
func newSubmitter(client redis.UniversalClient) *submitter {
	if p, ok := client.(*redis.AutoPipeliner); ok && !p.IsBlocking() {
		return &submitter{pipeline: p}
	}
	return nil
}

// do is bound.do for a submitter.
func (s *submitter) do(ctx context.Context, b *bound, r request) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if s.left.Load() > 0 && int64(s.pipeline.Len()) >= b.maxStuck {
		return "", ErrStuck
	}
	ctx, cancel := within(ctx, b.timeout)
	defer cancel()
	reply, err := s.submit(ctx, r)
	if r.unknown(err) {
		return s.submit(ctx, r.inFull())
	}
	return reply, err
}

func (s *submitter) submit(ctx context.Context, r request) (string, error) {
	cmd := r.command(ctx)
	if err := s.pipeline.Submit(ctx, cmd).WaitContext(ctx); err != nil {
		if ctx.Err() != nil {
			s.left.Add(1)
		}
		return "", err
	}
	s.left.Store(0)
	return text(cmd), nil
}
