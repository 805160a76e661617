package chrometest

import (
	"flag"
	"testing"
)

// parallel is how many tests of a package run at a time. They spend most of their time waiting for
// the browser, for a timer or for the next second, so there may be more of them than cores.
const parallel = "4"

// Main runs the tests of a package that drive a browser. More of them run at a time than the go
// command chooses by the number of cores, unless the flag -parallel is set.
func Main(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", parallel); err != nil {
			panic(err)
		}
	}
	m.Run()
}
