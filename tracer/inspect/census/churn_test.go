package census

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"memtrace/tracer/testsupport/debpkg"
	"memtrace/tracer/testsupport/testprog"
)

// TestChurn takes censuses of a program that allocates and frees on eight threads without pause.
func TestChurn(t *testing.T) {
	churns(t, exec.Command(testprog.PathIn(t, "testdata", "churn"), "8"), 20)
}

func TestChurnOnOtherLibraries(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		testprog.Missing(t, "is about x86-64 packages")
	}
	program := filepath.Join(t.TempDir(), "churn")
	args := append(debpkg.Sysroot(t, "bullseye"), "-std=gnu11", "-O1", "-w", "-fno-builtin", "-pthread", "-o", program, filepath.Join("testdata", "churn.c"))
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, suite := range []string{"bullseye", "trixie", "sid"} {
		t.Run(suite, func(t *testing.T) {
			churns(t, debpkg.Libc(t, suite).Command(t.Context(), program, "8"), 3)
		})
	}
}

// churns takes censuses of such a program, and compares them with what it says it has.
func churns(t *testing.T, cmd *exec.Cmd, rounds int) {
	p := testprog.Command(t, cmd)
	defer p.Kill()
	stay := readBlocks(t, p)
	w := open(t, p.PID())
	for range rounds {
		callsBefore, before := churned(t, p)
		c := w.mustLook(t)
		callsAfter, after := churned(t, p)
		missing := 0
		for _, b := range stay {
			if i := c.Blocks.Find(b.Addr); i < 0 || c.Blocks.At(i) != b {
				missing++
			}
		}
		// The number of blocks goes up and down meanwhile: half of 3,200 are there, give or take 28, at
		// any moment.
		got, low, high := c.Blocks.Len(), min(before, after), max(before, after)
		slack := high / 1000
		if missing > 0 || got < low-slack || got > high+slack {
			t.Errorf("%d of %d blocks that stay are missing; %d in all, want %d to %d: %+v, skipped %+v", missing, len(stay), got, low, high, c.Totals, c.Skipped)
		}
		if callsAfter == callsBefore {
			t.Error("the program stood still")
		}
		t.Logf("%d calls in %v, %d blocks of %d to %d, %d resyncs, skipped %v", callsAfter-callsBefore, c.End.Sub(c.Start), got, low, high, c.Totals.Resyncs, c.Skipped)
	}
}

// readBlocks reads a list of blocks, and sorts it.
func readBlocks(t testing.TB, p *testprog.Program) (blocks []Block) {
	t.Helper()
	for line := p.Line(); line != "done"; line = p.Line() {
		var b Block
		if n, err := fmt.Sscanf(line, "%d %d", &b.Addr, &b.Size); n != 2 {
			t.Fatalf("%q: %v", line, err)
		}
		blocks = append(blocks, b)
	}
	slices.SortFunc(blocks, byAddress)
	return blocks
}

// churned asks how many calls the program has made, and how many blocks it has.
func churned(t *testing.T, p *testprog.Program) (calls, blocks int) {
	t.Helper()
	p.Say("")
	first, second := p.Line(), p.Line()
	if n, _ := fmt.Sscanf(first+" "+second, "calls %d blocks %d", &calls, &blocks); n != 2 {
		t.Fatalf("%q, %q", first, second)
	}
	return calls, blocks
}
