// Package browser embeds the browser module: lucia.js, which apps import as BASE/client.js, and
// auto.js, which starts silent refresh on pages without a script of their own. Both are served
// unchanged; there is no build step.
//
// A browser treats two URLs of one module as two instances. auto.js therefore imports the
// versioned URL, and all instances on a page share their state, so that an app can also import
// the plain URL.
package browser

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"sync"
)

// ContentType is the media type of both files.
const ContentType = "text/javascript; charset=utf-8"

// Module is one of the served files.
type Module struct {
	// Name is the last element of the file's URL: "client.js" or "auto.js".
	Name string

	// Body is shared by all callers, who must not change it.
	Body []byte

	// ETag is a strong entity tag with its quotes (RFC 9110, section 8.8.3).
	ETag string

	// Version identifies the content. Under a URL that contains it, as in "client.js?v=VERSION",
	// the file never changes and may be cached indefinitely.
	Version string

	// SRI is the value of the integrity attribute of a script element.
	SRI string
}

var (
	//go:embed lucia.js
	clientSource []byte

	//go:embed auto.js
	autoSource []byte
)

var client = sync.OnceValue(func() Module {
	return newModule("client.js", clientSource)
})

var auto = sync.OnceValue(func() Module {
	served := []byte(`"./client.js?v=` + client().Version + `"`)
	return newModule("auto.js", bytes.Replace(autoSource, []byte(`"./lucia.js"`), served, 1))
})

// Client returns lucia.js, served at BASE/client.js. It may be called
// concurrently.
func Client() Module { return client() }

// Auto returns auto.js, served at BASE/auto.js. It imports Client under its versioned URL and
// starts silent refresh. It may be called concurrently.
func Auto() Module { return auto() }

// newModule derives the metadata from the content alone, so that all servers of a fleet give the
// same answers.
func newModule(name string, body []byte) Module {
	version := sha256.Sum256(body)
	integrity := sha512.Sum384(body)
	short := hex.EncodeToString(version[:8])
	return Module{
		Name:    name,
		Body:    body,
		ETag:    `"` + short + `"`,
		Version: short,
		SRI:     "sha384-" + base64.StdEncoding.EncodeToString(integrity[:]),
	}
}
