package census

import (
	"cmp"
	"fmt"
	"os/exec"
	"slices"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }

// ledger is a running testdata/ledger.c, and what it says it has.
type ledger struct {
	*testprog.Program
	blocks []Block
}

// command returns the command of testdata/ledger.c.
func command(t testing.TB, args ...any) *exec.Cmd {
	var words []string
	for _, a := range args {
		words = append(words, fmt.Sprint(a))
	}
	return exec.Command(testprog.PathIn(t, "testdata", "ledger"), words...)
}

// runLedger runs the program until it waits.
func runLedger(t testing.TB, cmd *exec.Cmd) *ledger {
	t.Helper()
	l := &ledger{Program: testprog.Command(t, cmd)}
	l.read(t, "go")
	return l
}

// read reads what the program says it has, after a command.
func (l *ledger) read(t testing.TB, command string) {
	t.Helper()
	l.Say(command)
	l.blocks = readBlocks(t, l.Program)
}

// find returns the block that an address points into, or to the end of.
func (l *ledger) find(addr uint64) (Block, bool) {
	i, ok := slices.BinarySearchFunc(l.blocks, addr, func(b Block, addr uint64) int { return cmp.Compare(b.Addr, addr) })
	if ok {
		return l.blocks[i], true
	}
	if i > 0 && addr <= l.blocks[i-1].Addr+l.blocks[i-1].Size {
		return l.blocks[i-1], true
	}
	return Block{}, false
}

func byAddress(a, b Block) int { return cmp.Compare(a.Addr, b.Addr) }

// open opens a process.
func open(t testing.TB, pid int) *Walker {
	t.Helper()
	w, err := Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *Walker) mustLook(t testing.TB) *Census {
	t.Helper()
	c, err := w.Look()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// all returns the blocks of a census.
func all(c *Census) (blocks []Block) {
	for i := range c.Blocks.Len() {
		blocks = append(blocks, c.Blocks.At(i))
	}
	return blocks
}

// differences returns the first differences between two sorted lists.
func differences(got, want []Block) (text string) {
	const most = 10
	n := 0
	for len(got) > 0 || len(want) > 0 {
		switch {
		case len(want) == 0 || len(got) > 0 && got[0].Addr < want[0].Addr:
			text += fmt.Sprintf("\n\tnot in the ledger: %#x", got[0])
			got = got[1:]
		case len(got) == 0 || want[0].Addr < got[0].Addr:
			text += fmt.Sprintf("\n\tnot in the census: %#x", want[0])
			want = want[1:]
		default:
			equal := got[0] == want[0]
			if !equal {
				text += fmt.Sprintf("\n\t%#x, want %#x", got[0], want[0])
			}
			got, want = got[1:], want[1:]
			if equal {
				continue
			}
		}
		if n++; n == most {
			return text + "\n\t..."
		}
	}
	return text
}
