package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"
)

// A report whose frames are named while it is written reads like one that has them.
func TestNamedAsWritten(t *testing.T) {
	forms := map[string]func(io.Writer, *Report) error{
		"json": JSON, "folded": Folded, "pprof": Pprof, "text": asText(TextOptions{Verbose: true}),
	}
	for name, r := range fixtures() {
		named, bare := bareCopy(r)
		for form, write := range forms {
			t.Run(name+" as "+form, func(t *testing.T) {
				if want, got := render(t, write, named), render(t, write, bare); !bytes.Equal(want, got) {
					t.Errorf("want\n%s\ngot\n%s", want, got)
				}
				for _, s := range bare.Stacks {
					if s.Frames != nil {
						t.Error("a stack has kept its frames")
					}
				}
			})
		}
	}
}

// bareCopy returns two copies of r whose stacks have IDs of their own: one with frames, and
// one whose stacks still have to be named.
func bareCopy(r *Report) (named, bare *Report) {
	all := make(map[string]Stack)
	take := func(s *Stack) {
		s.ID = fmt.Sprintf("%016x", len(all))
		all[s.ID] = *s
		s.Frames, s.Truncated, s.InAllocator = nil, false, false
	}
	with, without := *r, *r
	with.Stacks, without.Stacks = slices.Clone(r.Stacks), slices.Clone(r.Stacks)
	for i := range without.Stacks {
		take(&without.Stacks[i])
		with.Stacks[i].ID = without.Stacks[i].ID
	}
	if r.Growth != nil {
		g, h := *r.Growth, *r.Growth
		with.Growth, without.Growth = &g, &h
		g.FaultStacks, h.FaultStacks = slices.Clone(g.FaultStacks), slices.Clone(g.FaultStacks)
		for i := range h.FaultStacks {
			s := Stack{Frames: h.FaultStacks[i].Frames, Truncated: h.FaultStacks[i].Truncated}
			take(&s)
			h.FaultStacks[i].ID, h.FaultStacks[i].Frames, h.FaultStacks[i].Truncated = s.ID, nil, false
			g.FaultStacks[i].ID = s.ID
		}
	}
	without.Name = func(s *Stack) {
		known := all[s.ID]
		s.Frames, s.Truncated, s.InAllocator = known.Frames, known.Truncated, known.InAllocator
	}
	return &with, &without
}

// Stacks that were given up are told apart from frames that could not be read.
func TestGivenUp(t *testing.T) {
	r := fixture()
	r.Complete = false
	r.Outstanding = Sum{Bytes: 4096, Blocks: 256}
	r.Stacks = []Stack{{ID: "ffffffffffffffff", Kind: Heap, Bytes: 4096, Blocks: 256, GivenUpStacks: 231}}
	r.StacksTotal = 1
	for form, want := range map[string]string{
		"text":   "the sum of 231 stacks given up for want of memory",
		"json":   `"given_up_stacks": 231,`,
		"folded": "[given up] 4096\n",
	} {
		write := map[string]func(io.Writer, *Report) error{"json": JSON, "folded": Folded, "text": asText(TextOptions{})}[form]
		if got := render(t, write, r); !bytes.Contains(got, []byte(want)) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
