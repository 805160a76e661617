package otellucia_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"

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

// Providers of the app's own, in place of those that it has set for the process.
func ExampleWithMeterProvider() {
	meters := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	tracers := trace.NewTracerProvider()
	config := lucia.Config[profile]{
		Secret:   bytes.Repeat([]byte("s"), lucia.MinSecretBytes),
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (profile, error) { return profile{}, nil },
	}
	config, err := otellucia.Instrument(config, otellucia.WithMeterProvider(meters), otellucia.WithTracerProvider(tracers))
	if err != nil {
		log.Fatal(err)
	}
	auth, err := lucia.New(config)
	if err != nil {
		log.Fatal(err)
	}
	defer auth.Close()
	fmt.Println(auth.Ready(context.Background()))
	// Output: <nil>
}
