package report

import (
	"hash/maphash"
	"slices"
)

// MostLike is how many Like a Stack has at most.
const MostLike = 16

// Like is one of the stacks of the same printed frames that a Stack is the sum of: two calls in
// one source line, for example.
type Like struct {
	ID     string `json:"id"`
	Bytes  uint64 `json:"bytes"`
	Blocks uint64 `json:"blocks"`
	// Address, Module and Offset are those of the innermost frame that tells it from the others.
	Address uint64 `json:"address"`
	Module  string `json:"module"`
	Offset  uint64 `json:"offset"`
}

// representableLikes returns a copy of likes in which every string fits into JSON.
func representableLikes(likes []Like) []Like {
	likes = append([]Like(nil), likes...)
	for i := range likes {
		likes[i].Module = bounded(likes[i].Module)
	}
	return likes
}

// likes writes where the stacks differ that s is the sum of.
func (p *printer) likes(s *Stack) {
	for i := range s.Like {
		l := &s.Like[i]
		place := shortenPath(rowOf(&Frame{Address: l.Address, Module: l.Module, Offset: l.Offset}, 1).place, p.width/2)
		items := texts("like stack "+cutRight(escape(l.ID), 24), exactBytes(l.Bytes)+" in "+counted(l.Blocks, "block"), "through "+place)
		p.flow(span{text: pad("", stackIndent)}, 0, " ", joined(",", items)...)
	}
	if more := s.MergedStacks - len(s.Like); len(s.Like) > 0 && more > 0 {
		p.paragraph(span{text: pad("", stackIndent)}, "... "+counted(uint64(more), "more like stack"), dim)
	}
}

// noFrame is the index of no frame.
const noFrame = -1

// tellApart returns, for each of the stacks that would look like another one once frames of
// libraries are folded, the frame to name: the outermost one that the other does not have.
func tellApart(n int, stack func(int) *Stack) map[int]int {
	seed := maphash.MakeSeed()
	alike := make(map[uint64][]int)
	for i := range n {
		s := stack(i)
		if len(s.Frames) > 0 && s.GivenUpStacks == 0 {
			text := maphash.String(seed, folded(s))
			alike[text] = append(alike[text], i)
		}
	}
	tell := make(map[int]int)
	for _, group := range alike {
		if len(group) > 1 {
			tellGroup(group, stack, tell)
		}
	}
	return tell
}

// tellGroup is tellApart for stacks that look alike. In the order of what is printed of their
// frames, outermost first, each is next to the one that it has most callers in common with.
func tellGroup(group []int, stack func(int) *Stack, tell map[int]int) {
	type callers struct {
		at      int
		printed []string
	}
	all := make([]callers, len(group))
	for k, i := range group {
		s := stack(i)
		all[k].at = i
		for f := range slices.Backward(s.Frames) {
			all[k].printed = append(all[k].printed, rowOf(&s.Frames[f], 1).text())
		}
	}
	slices.SortFunc(all, func(a, b callers) int { return slices.Compare(a.printed, b.printed) })
	before := 0
	for k, one := range all {
		after := 0
		if k+1 < len(all) {
			after = sameStart(one.printed, all[k+1].printed)
		}
		if at := len(one.printed) - 1 - max(before, after); at >= 0 {
			tell[one.at] = at
		}
		before = after
	}
}

// sameStart returns how many elements two lists have in common before they differ.
func sameStart(a, b []string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// folded returns what is printed of a stack where frames of libraries are folded, without their
// number.
func folded(s *Stack) string {
	text := string(s.Kind)
	for i := 0; i < len(s.Frames); {
		n, name := library(s, i)
		if n <= foldLibraryOver {
			n = 1
			name = rowOf(&s.Frames[i], 1).text()
		}
		text += "\n" + name
		i += n
	}
	return text
}
