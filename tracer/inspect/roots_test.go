package inspect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/inspect/census"
	"memtrace/tracer/inspect/cohort"
	"memtrace/tracer/inspect/graph"
	"memtrace/tracer/report"
)

// What a thread has keeps its number when the thread changes its name.
func TestRenamedThread(t *testing.T) {
	r := newRoots()
	for name := range 3 {
		for i, root := range []graph.Root{
			{Class: graph.Stack, Name: fmt.Sprintf("stack of thread 5 (%d)", name), TID: 5},
			{Class: graph.Registers, Name: fmt.Sprintf("registers of thread 5 (%d)", name), TID: 5},
			{Class: graph.TLS, Name: fmt.Sprintf("TLS of thread 5 (%d)", name), TID: 5},
			{Class: graph.TLS, Name: fmt.Sprintf("TLS of thread 5 (%d) in libfoo.so", name), Module: "libfoo.so", TID: 5},
			{Class: graph.TLS, Name: "cache", Module: "libfoo.so", TID: 5},
			{Class: graph.TLS, Name: "pool", Module: "libfoo.so", TID: 5},
			{Class: graph.TLS, Name: "pool", Module: "libfoo.so", TID: 6},
		} {
			if n := r.number(&root); int(n) != i {
				t.Errorf("%+v has the number %d, not %d", root, n, i)
			}
		}
	}
}

// Where threads come and go, numbers of roots are used again, but not while a group has them.
func TestRootsGivenUp(t *testing.T) {
	l := &Looker{roots: newRoots(), cohorts: cohort.New()}
	const threads = 3000
	for look := range 40 {
		l.giveUp()
		leak := l.roots.number(&graph.Root{Class: graph.Global, Name: "leak", Module: "p"})
		if leak != 0 {
			t.Fatalf("look %d: the leak has the number %d", look, leak)
		}
		var first int32
		for i := range threads {
			n := l.roots.number(&graph.Root{Class: graph.Stack, TID: look*threads + i + 1})
			if n <= 0 {
				t.Fatalf("look %d: thread %d has the number %d", look, i, n)
			}
			if i == 0 {
				first = n
			}
		}
		blocks := []census.Block{{Addr: 1 << 12, Size: 40}, {Addr: 2 << 12, Size: 40}}
		l.cohorts.Add(cohort.Look{
			At: time.Unix(int64(look), 0), Blocks: census.NewBlocks(blocks), Hashes: census.NewHashes(len(blocks), func(int) uint32 { return 1 }),
			Kind: func(int) uint32 { return 0 }, Holder: func(i int) int32 { return []int32{leak, first}[i] },
		})
		if h := l.roots.list[first]; h.root.TID != look*threads+1 || h.looks > 0 {
			t.Fatalf("look %d: %+v", look, h)
		}
		l.roots.add(&graph.Graph{}, nil, time.Unix(int64(look), 0))
	}
	if n := len(l.roots.list); n > maxRoots || n != len(l.roots.numbers)+len(l.roots.free) {
		t.Errorf("%d roots, %d in use, %d free", n, len(l.roots.numbers), len(l.roots.free))
	}
}

// Blocks that are counted together are shown with all sizes that they may have, and a note says so.
func TestMixedKinds(t *testing.T) {
	l := &Looker{cohorts: cohort.New()}
	blocks := []census.Block{{Addr: 1 << 12, Size: 136}, {Addr: 2 << 12, Size: 200}, {Addr: 3 << 12, Size: 9000}}
	l.cohorts.Add(cohort.Look{
		Blocks: census.NewBlocks(blocks), Hashes: census.NewHashes(len(blocks), func(int) uint32 { return 1 }),
		Kind: func(i int) uint32 { return uint32(i) }, Holder: func(int) int32 { return cohort.Mixed },
	})
	var r report.HeapReport
	l.kindsOf(&r, nil)
	if len(r.Kinds) != 2 || r.Kinds[0].Size != 8192 || r.Kinds[0].Kind != "to 16.0 KiB, all kinds" || r.Kinds[1].Size != 128 || r.Kinds[1].Kind != "to 255 B, all kinds" {
		t.Errorf("%+v", r.Kinds)
	}
	if len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "3 blocks are of more groups") {
		t.Errorf("%q", r.Notes)
	}
}

// However many holders there are, the kinds have all blocks.
func TestFolded(t *testing.T) {
	for _, groups := range []int{maxListed, 20 * maxListed} {
		var list []report.HeapKind
		var blocks, lost uint64
		for i := range groups {
			k := report.HeapKind{HeapPart: report.HeapPart{Size: uint64(i % 40), HeapSum: report.HeapSum{Blocks: uint64(i), Bytes: 1}}, Holder: i / 40}
			blocks += k.Blocks
			if i/40%2 == 0 {
				k.Holder = report.HeapNoHolder
				lost += k.Blocks
			}
			list = append(list, k)
		}
		list = folded(list)
		for _, k := range list {
			blocks -= k.Blocks
			if k.Holder == report.HeapNoHolder {
				lost -= k.Blocks
			}
		}
		if len(list) > maxListed || blocks != 0 || lost != 0 {
			t.Errorf("%d groups: %d are left, without %d blocks, of them %d that nobody holds", groups, len(list), blocks, lost)
		}
	}
}
