//go:build scenarios

package scenarios

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

var update = flag.Bool("update", false, "write the table to docs/SCENARIOS.md")

// TestScenarios runs every row and prints the table of what the reports said. Rows spend most
// of their time waiting, so more of them may run at once than there are processors: go test
// -parallel.
func TestScenarios(t *testing.T) {
	testprog.NeedRoot(t)
	s := newStage(t)
	var rows []row
	for _, part := range [][]row{rowsOfAllocators, rowsOfLeaks, rowsOfMappings, rowsOfProcesses, rowsOfLanguages, rowsOfServers} {
		rows = append(rows, part...)
	}
	outcomes := make([]*outcome, len(rows))
	var lock sync.Mutex
	t.Run("all", func(t *testing.T) {
		for i := range rows {
			t.Run(rows[i].name, func(t *testing.T) {
				t.Parallel()
				o := s.play(t, &rows[i])
				lock.Lock()
				outcomes[i] = o
				lock.Unlock()
			})
		}
	})
	// A row that fails beside others is played once more, alone: what is estimated, and what
	// comes in time, is another thing on a busy machine.
	for i, o := range outcomes {
		if o == nil || !o.failed() {
			continue
		}
		t.Run(rows[i].name+" alone", func(t *testing.T) {
			t.Logf("beside others: %s", o.verdict())
			outcomes[i] = s.play(t, &rows[i])
			if outcomes[i].failed() {
				t.Error(outcomes[i].verdict())
			}
		})
	}
	played := slices.DeleteFunc(outcomes, func(o *outcome) bool { return o == nil }) // -run, or missing
	var table bytes.Buffer
	writeTable(&table, played)
	fmt.Printf("%s\n%s\n", &table, summary(played))
	if *update && len(played) == len(rows) {
		writeDocument(t, table.String(), summary(played))
	}
}

// writeDocument puts the table and the sum into the documentation, in place of those there.
func writeDocument(t *testing.T, table, summary string) {
	t.Helper()
	const path = "../../../docs/SCENARIOS.md"
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	skip := false
	for line := range strings.Lines(string(old)) {
		switch {
		case strings.HasPrefix(line, "| scenario | truth |"):
			skip = true
			text.WriteString(table)
		case skip && strings.HasPrefix(line, "|"):
		case strings.Contains(line, " scenarios are answered right, "):
			text.WriteString(summary + ".\n")
		default:
			text.WriteString(line)
		}
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// stage is what all rows share.
type stage struct {
	bin      string // the folder of the programs
	memtrace string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{bin: t.TempDir()}
	// PostgreSQL, which refuses to be root, loads a library of ours.
	for dir := s.bin; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := testprog.Build(t.Context(), "testdata", s.bin); err != nil {
		t.Fatal(err)
	}
	s.memtrace = filepath.Join(s.bin, "memtrace")
	for _, command := range []string{
		"go build -o BIN/memtrace memtrace/cmd/memtrace",
		"go build -o BIN/cgo cgo.go",
		"go build -o BIN/cgo-stripped -buildmode=pie -ldflags=-s cgo.go",
		"musl-gcc -O2 -g -o BIN/decode-musl decode.c",
		"musl-gcc -O2 -g -static -o BIN/decode-musl-static decode.c",
		"musl-gcc -O2 -s -static -o BIN/decode-stripped decode.c",
		"musl-gcc -O2 -g -o BIN/events-musl events.c",
		"musl-gcc -O2 -g -static -o BIN/events-musl-static events.c",
		"gcc -O2 -g -static -o BIN/decode-static decode.c",
		"gcc -O2 -s -o BIN/decode-nosymbols decode.c",
		// The compiler is a part of the runtime, unlike the command for it.
		"java -m jdk.compiler/com.sun.tools.javac.Main -nowarn -g -d BIN Native.java",
	} {
		words := s.expand("", strings.Fields(command)...)
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Dir = "testdata"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	return s
}

// expand puts the folder of the programs in the place of BIN, that of the sources in the place
// of SRC, and dir, the row's own folder, in the place of DIR.
func (s *stage) expand(dir string, words ...string) []string {
	src, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}
	r := strings.NewReplacer("BIN", s.bin, "SRC", src, "DIR", dir)
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = r.Replace(w)
	}
	return out
}
