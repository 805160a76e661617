// Serve runs one contender of the comparison as a process of its own, for a load generator. It
// writes a wrk script that rotates over the Cookie headers of the users, prints its address, and
// serves until it is killed.
//
//	go run ./cmd/serve -name '**lucia** on net/http' -script cookies.lua
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/lucia-go/lucia/benchmarks/contend"
)

func main() {
	name := flag.String("name", "", "the `name` of the contender, as in the table of requests")
	redis := flag.String("redis", "", "address of a Redis server")
	script := flag.String("script", "", "file to write the wrk script to")
	held := flag.Int("held", contend.Held, "MiB of memory that the process holds beside the contender")
	flag.Parse()
	defer contend.Hold(*held)()
	if err := serve(*name, *redis, *script); err != nil {
		log.Fatal(err)
	}
}

func serve(name, redis, script string) error {
	c, ok := contend.Named(name)
	if !ok {
		return fmt.Errorf("no contender is named %q", name)
	}
	app, err := c.New(contend.Env{Users: 1024, Redis: redis})
	if err != nil {
		return err
	}
	if err := os.WriteFile(script, []byte(wrkScript(app.Cookies)), 0o600); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, app.Handler)
}

// wrkScript returns a script that formats all requests before the run, because the load generator
// is not to be measured.
func wrkScript(cookies []string) string {
	var b strings.Builder
	b.WriteString("local cookies = {\n")
	for _, c := range cookies {
		fmt.Fprintf(&b, "%q,\n", c)
	}
	b.WriteString("}\nlocal requests, i = {}, 0\n")
	b.WriteString("init = function()\n  for n, c in ipairs(cookies) do\n")
	fmt.Fprintf(&b, "    requests[n] = wrk.format('GET', %q, {Cookie = c, Accept = 'text/html', ['User-Agent'] = 'Mozilla/5.0'})\n", contend.Path)
	b.WriteString("  end\nend\n")
	b.WriteString("request = function()\n  i = i % #requests + 1\n  return requests[i]\nend\n")
	return b.String()
}
