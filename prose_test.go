package lucia_test

import (
	"bufio"
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxColumns is how wide a line of prose may be, with tabs of four columns.
const maxColumns = 100

// unplain are phrases that CONTRIBUTING.md asks for another word for.
var unplain = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	"nobody", "somebody", "the seed", "the original", "be it", "cannot be told", "told from", "for good",
	"for ever", "for want of", "of no use", "is no news", "found out", "made up", "(is|are) felt",
	"reckon(s|ed|ing)?", "lest", "albeit", "thereby", "thereof",
}, "|") + `)\b`)

// TestProse checks comments and documents: lines of at most maxColumns, tables, code blocks and
// lone links excepted, and none of the unplain phrases. It also checks the width of lines of Go
// code outside of tests that end with a comment, and looks for the phrases there and in the strings
// of Go tests.
func TestProse(t *testing.T) {
	t.Parallel()
	for _, path := range proseFiles(t) {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		isProse := proseLines(path)
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		for n := 1; lines.Scan(); n++ {
			line := lines.Text()
			if !isProse(line) {
				continue
			}
			if columns(line) > maxColumns {
				t.Errorf("%s:%d: %d columns, want at most %d", path, n, columns(line), maxColumns)
			}
			if phrase := unplain.FindString(line); phrase != "" && filepath.Ext(path) != ".go" {
				t.Errorf("%s:%d: %q is not plain English", path, n, phrase)
			}
		}
		if err := lines.Err(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if filepath.Ext(path) == ".go" {
			checkGo(t, path)
		}
	}
}

// checkGo looks for the unplain phrases in the comments of a Go file and, if it is a test, in its
// strings. If it is not a test, it also checks the width of lines that end with a comment.
func checkGo(t *testing.T, path string) {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	isTest := strings.HasSuffix(path, "_test.go")
	text := strings.Split(string(source), "\n")
	files := token.NewFileSet()
	file := files.AddFile(path, -1, len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, scanner.ScanComments)
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			return
		}
		isProse := tok == token.COMMENT || tok == token.STRING && isTest
		if !isProse || path == "prose_test.go" {
			continue
		}
		where := files.Position(pos)
		line := text[where.Line-1]
		isTrailing := tok == token.COMMENT && strings.TrimSpace(line[:where.Column-1]) != ""
		if n := columns(line); isTrailing && !isTest && n > maxColumns {
			t.Errorf("%s:%d: %d columns with a comment, want at most %d", path, where.Line, n, maxColumns)
		}
		if at := unplain.FindStringIndex(literal); at != nil {
			where.Line += strings.Count(literal[:at[0]], "\n")
			t.Errorf("%s:%d: %q is not plain English", path, where.Line, literal[at[0]:at[1]])
		}
	}
}

// proseFiles returns the files of the repository that hold prose: sources and documents that
// people write. It skips the test where there is no git checkout.
func proseFiles(t *testing.T) (files []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "ls-files").Output()
	if err != nil {
		t.Skipf("needs a git checkout: %v", err)
	}
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSpace(path)
		generated := strings.HasSuffix(path, "_templ.go")
		if _, err := os.Stat(path); err != nil || generated {
			continue
		}
		switch filepath.Ext(path) {
		case ".go", ".md", ".js", ".mjs", ".ts", ".templ", ".lua", ".sh":
			files = append(files, path)
		case "":
			if isShell(path) {
				files = append(files, path)
			}
		}
	}
	if len(files) < 100 {
		t.Fatalf("git ls-files lists %d files of prose, want more than 100", len(files))
	}
	return files
}

// proseLines returns a function that reports, line after line, which lines of a file are prose.
func proseLines(path string) func(line string) bool {
	marks := []string{"//", "/*", "* ", "--"}
	if isShell(path) {
		marks = []string{"#"}
	}
	if filepath.Ext(path) != ".md" {
		return func(line string) bool {
			line = strings.TrimSpace(line)
			for _, mark := range marks {
				if strings.HasPrefix(line, mark) {
					return !strings.HasPrefix(line, "//go:") && !isLoneLink(line)
				}
			}
			return isShell(path) && strings.Contains(line, " # ")
		}
	}
	inCode := false
	return func(line string) bool {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inCode = !inCode
			return false
		}
		isTable := strings.HasPrefix(strings.TrimSpace(line), "|")
		isCode := inCode || strings.HasPrefix(line, "    ")
		return !isTable && !isCode && !isLoneLink(line)
	}
}

// isShell reports whether a file is a shell script or the Makefile.
func isShell(path string) bool {
	return filepath.Ext(path) == ".sh" || filepath.Base(path) == "Makefile" || filepath.Dir(path) == ".ci"
}

// isLoneLink reports whether a line is one long word, such as a URL, that cannot be broken.
func isLoneLink(line string) bool {
	return strings.Contains(line, "://") && len(strings.Fields(line)) <= 2
}

func columns(line string) int {
	return utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
}
