// Package browser embeds the browser module: lucia.js, which is served as BASE/client.js, and
// auto.js, which starts silent refresh on pages without a script of their own. There is no build
// step.
//
// A browser treats two URLs of one module as two instances. The module is therefore served under
// its versioned URL only, which auto.js imports. Apps import the plain URL, under which they get
// what the versioned one exports.
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
	return newModule("auto.js", bytes.Replace(autoSource, []byte(`"./lucia.js"`), []byte(versioned()), 1))
})

const entryComment = "// All scripts of a page share one instance of the module.\n"

var entry = sync.OnceValue(func() Module {
	return newModule("client.js", []byte(entryComment+"export * from "+versioned()+";\n"))
})

// versioned returns the import specifier of Client.
func versioned() string { return `"./client.js?v=` + client().Version + `"` }

// Client returns lucia.js, served at BASE/client.js?v=VERSION. It may be called concurrently.
func Client() Module { return client() }

// Entry returns the module at BASE/client.js, which exports what Client does. It may be called
// concurrently.
func Entry() Module { return entry() }

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
