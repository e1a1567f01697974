package tracer

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"memtrace/tracer/event"
	"memtrace/tracer/testsupport/testprog"
)

// loads traces loads.c and returns what it says it holds, what the report says, and the tracer.
func loads(t *testing.T, way string, libs, rounds, pause int) (want, got map[string]testprog.Sum, tr *Tracer) {
	t.Helper()
	testprog.NeedRoot(t)
	arg := func(n int) string { return fmt.Sprint(n) }
	p := testprog.Start(t, "loads", way, testprog.Libraries(t, libs), arg(libs), arg(rounds), arg(pause))
	tr, ledger := trace(t, Config{}, p)
	got, complete := sites(tr)
	if !complete {
		t.Errorf("incomplete: %+v", tr.book.Counters())
	}
	return ledger.Sites, got, tr
}

// Libraries that are mapped at the same addresses one after another keep their own names, also
// if they are gone before anyone could look.
func TestLibrariesAtOneAddress(t *testing.T) {
	for _, test := range []struct {
		way                 string
		libs, rounds, pause int
	}{
		{"plain", 2, 5, 100_000},
		{"plain", 2, 50, 1000},
		{"plain", 2, 500, 10},
		{"plain", 50, 4, 0},
		{"chroot", 5, 20, 10},
		{"mount", 5, 20, 10},
		// Here the libraries are still mapped when they are looked for, on a busy machine as well.
		{"unlink", 3, 1, 2_000_000},
		{"replace", 3, 1, 2_000_000},
	} {
		t.Run(fmt.Sprintf("%s/%d/%d", test.way, test.libs, test.pause), func(t *testing.T) {
			want, got, _ := loads(t, test.way, test.libs, test.rounds, test.pause)
			for site, sum := range want {
				if got[site] != sum {
					t.Errorf("%s: %+v, want %+v", site, got[site], sum)
				}
			}
		})
	}
}

// A library whose file is gone before it could be opened has no names, but never those of
// another one. Stacks may end in it: the rules that lead on were in the file.
func TestLibraryGoneBeforeItIsRead(t *testing.T) {
	for _, way := range []string{"unlink", "replace"} {
		want, got, tr := loads(t, way, 5, 40, 0)
		r := tr.Snapshot(SnapshotOptions{})[0]
		unnamed := 0
		for i := range r.Stacks {
			s := &r.Stacks[i]
			if len(s.Frames) > 0 && s.Frames[0].Function == "" && strings.HasSuffix(s.Frames[0].Module, "/copy.so") {
				unnamed += int(s.Blocks)
			}
		}
		for site, sum := range want {
			if got[site].Blocks > sum.Blocks || got[site].Blocks*sum.Bytes != got[site].Bytes*sum.Blocks {
				t.Errorf("%s, %s: %+v, the program holds %+v", way, site, got[site], sum)
			}
			unnamed += int(got[site].Blocks)
		}
		t.Logf("%s: %v", way, got)
		if unnamed != 5*40 {
			t.Errorf("%s: %d blocks are of one of the libraries, want %d", way, unnamed, 5*40)
		}
	}
}

// A program that loads libraries all the time takes no more memory and files for that.
func TestLibrariesLoadedAllTheTime(t *testing.T) {
	testprog.Long(t)
	before := openFiles(t)
	want, got, tr := loads(t, "plain", 10, 2000, 0)
	for site, sum := range want {
		if got[site] != sum {
			t.Errorf("%s: %+v, want %+v", site, got[site], sum)
		}
	}
	stacks := 0
	tr.book.EachStack(func(event.StackID, []uint64, bool) { stacks++ })
	if stacks > 1000 {
		t.Errorf("%d stacks are kept", stacks)
	}
	if now := openFiles(t); now > before+100 {
		t.Errorf("%d files are open, %d were before", now, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
