package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/lucia-go/lucia/benchmarks/measure"
	"github.com/lucia-go/lucia/benchmarks/rotate"
)

// simultaneous is the number of concurrent callers, and how many of them present one token at
// once.
const simultaneous = 64

// refreshes compares refreshing through each kind of client, and shows what happens when one
// token is presented many times at once.
func refreshes(ctx context.Context, o options) error {
	t := newTable(fmt.Sprintf("refresh, %d callers", simultaneous), "client", "round trips", "a second", "against bare", "app's processor time", "tokens made of one")
	for _, kind := range rotate.Clients() {
		conn, err := kind.Open(o.redis)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := refreshesWith(ctx, o, conn, kind.Name, t); err != nil {
			return fmt.Errorf("%s: %w", kind.Name, err)
		}
	}
	t.print("Refreshing against Redis")
	fmt.Printf("\nTokens made of one: the number of different successors that are handed out when %d callers present one token at once. The right number is 1.\n", simultaneous)
	return nil
}

// speed is what one round measured of one contender.
type speed struct {
	rate, cpu float64 // a second; nanoseconds each
}

func refreshesWith(ctx context.Context, o options, conn *rotate.Conn, kind string, t *table) error {
	rounds := pick(o, 5, 2)
	speeds := map[string][]speed{}
	for range rounds {
		for _, c := range conn.Contenders {
			s, err := refreshRound(ctx, o, conn, c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
			speeds[c.Name] = append(speeds[c.Name], s)
		}
	}
	floor := best(speeds[conn.Contenders[0].Name])
	for _, c := range conn.Contenders {
		s := best(speeds[c.Name])
		made, err := madeOfOne(c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		t.add(c.Name, kind, fmt.Sprint(c.Trips), thousands(s.rate), ratio(s.rate, floor.rate), micros(s.cpu), fmt.Sprint(made))
	}
	return nil
}

// best returns the round with the least disturbance.
func best(speeds []speed) speed {
	return slices.MaxFunc(speeds, func(a, b speed) int {
		switch {
		case a.rate < b.rate:
			return -1
		case a.rate > b.rate:
			return 1
		}
		return 0
	})
}

func refreshRound(ctx context.Context, o options, conn *rotate.Conn, c rotate.Contender) (speed, error) {
	n := pick(o, 20_000, 5_000)
	if err := conn.Flush(ctx); err != nil {
		return speed{}, err
	}
	exchange, err := c.Prepare(n)
	if err != nil {
		return speed{}, err
	}
	cpu := measure.CPUTime()
	rate, err := rotate.Rate(simultaneous, n, exchange)
	return speed{rate, float64(measure.CPUTime()-cpu) / float64(n)}, err
}

// madeOfOne presents one token many times at once, in several attempts, and returns the largest
// number of different successors in an attempt.
func madeOfOne(c rotate.Contender) (most int, err error) {
	const tries = 10
	for range tries {
		exchange, err := c.Prepare(1)
		if err != nil {
			return 0, err
		}
		made, err := rotate.Accepted(simultaneous, exchange)
		if err != nil {
			return 0, err
		}
		most = max(most, made)
	}
	return most, nil
}
