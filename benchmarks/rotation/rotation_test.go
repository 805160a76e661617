package rotation_test

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/benchmarks/rotation"
)

const (
	doc   = "../../docs/rotation.md"
	begin = "<!-- The tables are written by the tests of benchmarks/rotation with LUCIA_WRITE_DOCS=1. -->\n"
	end   = "<!-- End of the tables. -->\n"
)

// TestTables checks the tables of docs/rotation.md. With LUCIA_WRITE_DOCS=1 it writes them.
func TestTables(t *testing.T) {
	file, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(file), begin)
	written, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		t.Fatalf("%s lacks the comments around the tables", doc)
	}
	got := "\n### Without a thief\n\n" + table(rotation.Failures) +
		"\n### With a thief\n\n" + table(rotation.Thefts) +
		"\n### The rules\n\n" + sources()
	if os.Getenv("LUCIA_WRITE_DOCS") != "" {
		if err := os.WriteFile(doc, []byte(before+begin+got+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != written {
		t.Errorf("%s is out of date; LUCIA_WRITE_DOCS=1 go test ./rotation writes\n%s", doc, got)
	}
}

// TestNoFailureSignsOut checks the first promise of the library: no failure signs a person out.
// It also checks that every scenario signs the person out under at least one rule, because a
// scenario that harms no one shows nothing.
func TestNoFailureSignsOut(t *testing.T) {
	for _, scenario := range rotation.Failures {
		failed := false
		for i, entry := range rotation.Rules {
			got := scenario.Run(entry)
			if i == 0 && got != "stays" {
				t.Errorf("%s, %s: %s", entry.Name, scenario.Name, got)
			}
			failed = failed || strings.HasPrefix(got, "**")
		}
		if !failed {
			t.Errorf("%s signs no one out under any rule", scenario.Name)
		}
	}
}

func table(scenarios []rotation.Scenario) string {
	var b strings.Builder
	head, rule := "| |", "|---|"
	for _, s := range scenarios {
		head, rule = head+" "+s.Name+" |", rule+"---|"
	}
	fmt.Fprintln(&b, head+"\n"+rule)
	for _, entry := range rotation.Rules {
		fmt.Fprintf(&b, "| %s |", name(entry))
		for _, s := range scenarios {
			fmt.Fprintf(&b, " %s |", s.Run(entry))
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

func sources() string {
	var b strings.Builder
	fmt.Fprintln(&b, "| | version | setting | what a reuse ends | source |\n|---|---|---|---|---|")
	for _, e := range rotation.Rules {
		source := e.Source
		if strings.HasPrefix(source, "https://") {
			source = fmt.Sprintf("[%s](%s)", cmp.Or(e.Title, label(source)), source)
		} else {
			source = fmt.Sprintf("[%s](../%s)", source, source)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name(e), e.Version, e.Setting, e.Ends, source)
	}
	return b.String()
}

// label returns the file's name for source code and the host for documents.
func label(source string) string {
	if strings.HasPrefix(source, "https://github.com/") {
		return source[strings.LastIndexByte(source, '/')+1:]
	}
	return strings.Split(source, "/")[2]
}

// TestSources checks that each source can be found as it was read: source code under a tag, and a
// document with its version or with its title and a date.
func TestSources(t *testing.T) {
	tag := regexp.MustCompile(`^https://github\.com/[\w-]+/[\w-]+/blob/v?\d+\.\d+\.\d+/`)
	dated := regexp.MustCompile(`, read \d{4}-\d\d-\d\d$`)
	version := regexp.MustCompile(`\d+\.\d+`)
	for _, e := range rotation.Rules {
		switch {
		case e.Name == "lucia":
		case strings.HasPrefix(e.Source, "https://github.com/"):
			if !tag.MatchString(e.Source) || !strings.Contains(e.Source, version.FindString(e.Version)) {
				t.Errorf("%s: version %q, source %s, want the tag of the version", e.Name, e.Version, e.Source)
			}
		case !version.MatchString(e.Version) && !dated.MatchString(e.Title):
			t.Errorf("%s: version %q, title %q, want a version or a title with a date", e.Name, e.Version, e.Title)
		}
	}
}

func name(e rotation.Entry) string {
	if e.Name == "lucia" {
		return "**lucia**"
	}
	return e.Name
}
