package census

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/process/procmem"
	"memtrace/tracer/process/ptmalloc"
)

// TestScan reads blocks of which each word is its own address.
func TestScan(t *testing.T) {
	l := runLedger(t, command(t, 5, 4, 20000, "contents"))
	w := open(t, l.PID())
	c := w.mustLook(t)
	dynamic := 4 // blocks of the dynamic linker, with other contents
	var seen, want uint64
	last, wrong := 0, make(map[int]bool)
	err := w.Scan(c, func(i int, off uint64, content []byte) {
		if i < last || off%8 != 0 {
			t.Fatalf("block %d after %d, offset %d", i, last, off)
		}
		b := c.Blocks.At(i)
		for k := 0; k+8 <= len(content); k += 8 {
			if binary.LittleEndian.Uint64(content[k:]) != b.Addr+off+uint64(k) {
				wrong[i] = true
			}
		}
		last, seen = i, seen+uint64(len(content))
	})
	for _, b := range l.blocks {
		want += b.Size
	}
	if err != nil || seen != want || len(wrong) != dynamic {
		t.Errorf("%d bytes, want %d; %d blocks with wrong contents, want %d: %v", seen, want, len(wrong), dynamic, err)
	}
}

// TestAbsentPages checks that a look at a program changes nothing in it, though most of its blocks
// were never written to.
func TestAbsentPages(t *testing.T) {
	l := runLedger(t, command(t, 3, 3, 1000, "heaps"))
	w := open(t, l.PID())
	before := w.pagesThere(t)
	c := w.mustLook(t)
	var seen uint64
	if err := w.Scan(c, func(_ int, _ uint64, content []byte) { seen += uint64(len(content)) }); err != nil {
		t.Fatal(err)
	}
	if seen == 0 || seen > c.Totals.InUse.Bytes/5 {
		t.Errorf("%d bytes of %d were read, want a small part", seen, c.Totals.InUse.Bytes)
	}
	if after := w.pagesThere(t); after != before || before == 0 {
		t.Errorf("%d pages, %d after a look", before, after)
	}
}

// pagesThere counts the pages that are there where malloc may have put blocks.
func (w *Walker) pagesThere(t *testing.T) (n int) {
	t.Helper()
	areas, _, err := w.readAreas(0)
	if err != nil {
		t.Fatal(err)
	}
	brk, err := ptmalloc.ReadBrkRange(w.pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range append(areas, Range(brk)) {
		states := make([]procmem.State, (r.End-r.Start)/pageSize)
		w.mem.States(r.Start, states)
		for _, s := range states {
			if s != procmem.Absent {
				n++
			}
		}
	}
	return n
}

// rollup returns how much of a process's memory is its own and how much is shared, in kB, pages of
// files apart.
func rollup(t testing.TB, pid int) (text string) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		for _, name := range []string{"Pss_Anon:", "Private_Dirty:", "Anonymous:"} {
			if strings.HasPrefix(line, name) {
				text += strings.Join(strings.Fields(line), " ") + " "
			}
		}
	}
	return text
}

// TestNow looks for addresses in a program that has gone on since the census.
func TestNow(t *testing.T) {
	for seed := range 5 {
		l := runLedger(t, command(t, seed, 3, 10000))
		w := open(t, l.PID())
		c := w.mustLook(t)
		before := l.blocks
		for round := range 3 {
			rng := rand.New(rand.NewPCG(uint64(seed), uint64(round)))
			found, wrong := 0, ""
			var asked []uint64
			check := func(how string, addr uint64, got Block, ok bool) {
				want, there := l.find(addr)
				if ok != there || ok && got != want {
					wrong += fmt.Sprintf("\n\t%s: %#x: %#x %v, want %#x %v", how, addr, got, ok, want, there)
				} else if ok {
					found++
				}
			}
			for k, b := range slices.Concat(before, l.blocks) {
				if k%7 != round {
					continue
				}
				addr := b.Addr + rng.Uint64N(b.Size+1)
				asked = append(asked, addr)
				got, ok := w.Now(c, addr)
				check("alone", addr, got, ok)
			}
			slices.Sort(asked)
			asked = slices.Compact(asked)
			together := make(map[uint64]Block)
			if !w.Each(t.Context(), c, asked, func(addr uint64, b Block) { together[addr] = b }) {
				t.Error("not all were looked at")
			}
			for _, addr := range asked {
				got, ok := together[addr]
				check("together", addr, got, ok)
			}
			if wrong != "" || found < 2*len(asked)/3 {
				t.Errorf("seed %d, round %d: %d found:%.2000s", seed, round, found, wrong)
			}
			l.read(t, []string{"thread", "more"}[round%2])
			time.Sleep(listsAge)
		}
	}
}
