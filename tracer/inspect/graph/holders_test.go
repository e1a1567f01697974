package graph

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// What grows is held by the variable that has it, with its shape and what it is made of.
func TestHolders(t *testing.T) {
	for _, tc := range []struct {
		kind, holder string
		shape        Shape
		of           string
	}{
		{"list", "global order_list", List, "152 B"},
		{"buckets", "global order_buckets", HashTable, "152 B"},
		{"unordered_map", "global names_by_number", HashTable, "104 B"},
		{"table", "global open_table", HashTable, "152 B"},
		{"map", "global peers_by_name", Tree, "secure_peer"},
		{"deque", "global waiting", Array, "152 B"},
		{"service", "global the_service", HashTable, "secure_peer"},
		{"pages", "global oldest_page", List, "216 B"},
		{"peers", "global peer_list", List, "secure_peer"},
		{"stack", "stack stack of thread", Array, "152 B"},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			t.Parallel()
			const n = 20_000
			p := start(t, "holders", tc.kind, fmt.Sprint(n), "1")
			var g *Graph
			var h Held
			var name string
			// While a table is moved to a larger array, a look may meet both or none, or the table without
			// its array, whose blocks are a list then.
			for range 3 {
				g = p.build()
				h = g.HeldBy()[0]
				if name = h.Root.Class.String() + " " + h.Root.Name; strings.HasPrefix(name, tc.holder) && h.Shape == tc.shape {
					break
				}
			}
			if !strings.HasPrefix(name, tc.holder) || h.Shape != tc.shape || h.Blocks < n {
				t.Errorf("%s holds %d blocks, shape %v, depth %d (%+v)", name, h.Blocks, h.Shape, h.Depth, g.held[g.largest(1)[0]])
			}
			if of := p.kindName(h.Of[0]); of != tc.of {
				t.Errorf("made of %q, %+v", of, h.Of)
			}
			if tc.kind == "stack" && !strings.HasSuffix(h.Root.Name, "(grower)") {
				t.Errorf("%+v", h.Root)
			}
			// There is a path to the block that is farthest from it.
			for i := range g.holder {
				if holder := g.HolderOf(i); holder >= 0 && g.Roots[holder] == h.Root {
					if steps, err := g.Why(g.Census.Blocks.At(i).Addr); err != nil || len(steps) < 2 || *steps[0].Root != h.Root {
						t.Errorf("%+v, %v", steps, err)
					}
					break
				}
			}
		})
	}
}

func (p *program) kindName(k KindSum) string {
	if k.Kind != 0 {
		return p.cfg.Kinds.Name(k.Kind)
	}
	return fmt.Sprintf("%d B", k.Size)
}

// Of structures that grow by thousands of blocks a second no block is called lost, whose head is
// always newer than the census.
func TestGrowing(t *testing.T) {
	testprog.Long(t)
	for _, kind := range []string{"list", "buckets", "unordered_map", "table", "map", "deque", "service", "pages", "peers", "stack"} {
		t.Run(kind, func(t *testing.T) {
			p := start(t, "holders", kind, "5000", "10")
			passes, last := p.lost(MinPasses, 100*time.Millisecond)
			for _, l := range passes.Lost() {
				t.Errorf("%s: %+v", kind, l)
			}
			t.Logf("%d late blocks in the last pass, %d unreachable then; skipped %v", last.Late, len(last.Unreachable()), last.Skipped)
		})
	}
}

// Which variable of CPython leads to an object first says nothing: all are one root.
func TestHeldByCPython(t *testing.T) {
	testprog.NeedTool(t, "python3")
	const script = `
import sys
class Session: pass
keep = [Session() for _ in range(5000)]
print("ready python", flush=True)
sys.stdin.read()
`
	cmd := exec.Command("python3", "-c", script)
	cmd.Env = append(os.Environ(), "PYTHONMALLOC=malloc")
	p := watch(t, testprog.Command(t, cmd))
	g := p.build()
	module := p.cfg.Kinds.CPython()
	if module == nil {
		testprog.Missing(t, "the symbols of python3")
	}
	held := g.HeldBy()
	if first := held[0]; first.Root.Class != Interpreter || first.Root.Module != module.Name || first.Blocks < 10_000 {
		t.Errorf("most is held by %+v", first)
	}
	for _, h := range held[1:] {
		if h.Root.Class == Interpreter || h.Root.Class == Global && h.Root.Module == module.Name {
			t.Errorf("another one of CPython: %+v", h)
		}
	}
}
