package report

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

// tellApart returns, for each of the stacks that would look like another one once frames of
// libraries are folded, the frame to name: the outermost one that the other does not have.
func tellApart(n int, stack func(int) *Stack) map[int]int {
	alike := make(map[string][]int)
	for i := range n {
		s := stack(i)
		if len(s.Frames) > 0 && s.GivenUpStacks == 0 {
			text := folded(s)
			alike[text] = append(alike[text], i)
		}
	}
	tell := make(map[int]int)
	for _, group := range alike {
		for _, i := range group {
			s, same := stack(i), 0
			for _, k := range group {
				if k != i {
					same = max(same, sameCallers(s, stack(k)))
				}
			}
			if at := len(s.Frames) - 1 - same; len(group) > 1 && at >= 0 {
				tell[i] = at
			}
		}
	}
	return tell
}

// sameCallers returns how many of the outermost frames two stacks have in common.
func sameCallers(a, b *Stack) (n int) {
	for n < len(a.Frames) && n < len(b.Frames) {
		x, y := rowOf(&a.Frames[len(a.Frames)-1-n], 1), rowOf(&b.Frames[len(b.Frames)-1-n], 1)
		if x != y {
			break
		}
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
			r := rowOf(&s.Frames[i], 1)
			name = r.name + r.suffix + "\x00" + r.place
		}
		text += "\n" + name
		i += n
	}
	return text
}
