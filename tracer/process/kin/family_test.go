package kin

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }

// family is the program of testdata, and a Watch of it that looks once a second of its own time.
type family struct {
	*testprog.Program
	*Watch
	t   *testing.T
	now time.Time
}

func newFamily(t *testing.T) *family {
	t.Helper()
	p := testprog.Command(t, exec.Command(testprog.PathIn(t, "testdata", "family")))
	w := NewWatch(p.PID())
	w.share = -1
	return &family{p, w, t, time.Unix(1000, 0)}
}

// do has the program do something and returns the numbers that it answers with.
func (f *family) do(request ...string) (numbers []int) {
	f.t.Helper()
	line := strings.Join(request, " ")
	f.Say(line)
	words := strings.Fields(f.Line())
	if len(words) == 0 || words[0] != strings.Fields(line)[0] {
		f.t.Fatalf("%s: the program answers %q", line, words)
	}
	for _, word := range words[1:] {
		n, err := strconv.Atoi(word)
		if err != nil {
			f.t.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// tick is the time of the next look.
func (f *family) tick() time.Time {
	f.now = f.now.Add(time.Second)
	return f.now
}

func (f *family) poll() { f.Poll(f.tick()) }

// snapshot returns a Snapshot, and its children by pid.
func (f *family) snapshot() (Snapshot, map[int]Child) {
	s := f.Snapshot(f.tick())
	children := make(map[int]Child)
	for _, c := range s.Children {
		children[c.PID] = c
	}
	return s, children
}
