package main

import (
	"context"
	"fmt"
	"math"

	"github.com/lucia-go/lucia/benchmarks/contend"
)

// pages compares a page that prints page data and a form field with the same page that has two
// constants instead.
func pages(ctx context.Context, o options) error {
	const byHand, bare = "golang-jwt v5 by hand, fingerprint", "net/http, bare handler"
	list := contend.Pages()
	for _, name := range []string{byHand, bare} {
		c, ok := contend.Named(name)
		if !ok {
			return fmt.Errorf("no contender is named %q", name)
		}
		list = append(list, c)
	}
	results, err := processes(ctx, o, list)
	if err != nil {
		return err
	}
	verifying := added(results, byHand, bare)
	t := newTable("page with a script tag and a form field, one core", "all", "over the page with constants", "allocations over it", "against golang-jwt by hand")
	for _, c := range list {
		r := results[c.Name]
		if c.Base == "" {
			t.add(c.Name, micros(r.Nanos), "", "", "")
			continue
		}
		over := added(results, c.Name, c.Base)
		t.add(c.Name, micros(r.Nanos), micros(over.Nanos), fmt.Sprintf("%.0f", math.Round(over.Allocs)), ratio(over.Nanos, verifying.Nanos))
	}
	t.print("Pages with page data")
	return nil
}
