package otellucia_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/otellucia"
)

// The metrics and spans go to the providers that the app has set with otel.SetMeterProvider and
// otel.SetTracerProvider.
func ExampleInstrument() {
	config := lucia.Config[profile]{
		Secret:   bytes.Repeat([]byte("s"), lucia.MinSecretBytes),
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (profile, error) { return profile{}, nil },
	}

	config, err := otellucia.Instrument(config)
	if err != nil {
		log.Fatal(err)
	}
	auth, err := lucia.New(config)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(auth.Ready(context.Background()))
	// Output: <nil>
}
