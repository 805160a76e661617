package chrometest

import (
	"flag"
	"testing"
)

// parallel is how many tests of a package run at a time. There may be more of them than cores,
// because they mostly wait for the browser, a timer or the next second.
const parallel = "4"

// Main runs the tests of a package that drive a browser. Unless the flag -parallel is set,
// more of them run at a time than the go command would choose.
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
