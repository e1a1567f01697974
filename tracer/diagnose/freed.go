package diagnose

import (
	"cmp"
	"slices"

	"memtrace/tracer/book/live"
	"memtrace/tracer/diagnose/answer"
	"memtrace/tracer/event"
	"memtrace/tracer/report"
)

// Bounds of what is named for the free side.
const (
	mostLeaking = 16 // stacks of which it is told
	mostOthers  = 48 // stacks that they are compared with
)

// freeSides says of the stacks that leak where their blocks are freed.
func (d *diagnosis) freeSides(stacks []report.Stack) {
	if len(d.Known.FreedAt) == 0 {
		return
	}
	f := freeSides{d: d, named: make(map[event.StackID]answer.Freed), of: make(map[event.StackID]answer.Frees)}
	told := 0
	for i := range stacks {
		s := &stacks[i]
		if s.Kind != report.Heap || s.LeakBytesPerSecond <= 0 || s.Frames == nil || s.Suppressed != "" {
			continue
		}
		if s.MergedStacks > max(len(s.Like), 1) {
			continue // it is not known which stacks are part of it
		}
		if told++; told > mostLeaking {
			return
		}
		own, others := f.split(s)
		evidence := answer.FreeEvidence{
			Own: own, Siblings: func() []answer.Frees { return f.siblings(s, others) }, Others: func() []answer.Frees { return f.all(others) },
			All: d.sampling == nil,
		}
		s.Freed = answer.FreeSide(s, &evidence)
	}
}

// freeSides names the stacks of frees, each once.
type freeSides struct {
	d     *diagnosis
	named map[event.StackID]answer.Freed
	of    map[event.StackID]answer.Frees
	order []event.StackID // the stacks whose blocks were freed, the most first
}

// split returns where the blocks of a stack were freed, and which other stacks there are.
func (f *freeSides) split(s *report.Stack) (own answer.Frees, others []event.StackID) {
	mine := map[event.StackID]bool{stackOf(s.ID): true}
	for i := range s.Like {
		mine[stackOf(s.Like[i].ID)] = true
	}
	for _, id := range f.sorted() {
		if mine[id] {
			own.By = append(own.By, f.frees(id).By...)
		} else {
			others = append(others, id)
		}
	}
	return own, others
}

// sorted returns the stacks of which frees were sampled, those of the most blocks first.
func (f *freeSides) sorted() []event.StackID {
	if f.order != nil {
		return f.order
	}
	blocks := make(map[event.StackID]uint64)
	for id, list := range f.d.Known.FreedAt {
		f.order = append(f.order, id)
		for i := range list {
			blocks[id] += list[i].Blocks
		}
	}
	slices.SortFunc(f.order, func(a, b event.StackID) int {
		return cmp.Or(cmp.Compare(blocks[b], blocks[a]), cmp.Compare(a, b))
	})
	return f.order
}

// siblings returns the frees of the other stacks that allocate at the same place of the program.
func (f *freeSides) siblings(s *report.Stack, others []event.StackID) (list []answer.Frees) {
	if len(s.Frames) == 0 {
		return nil
	}
	until := s.Frames[s.OwnFrame].Address
	addresses, _, _ := f.d.Known.Frames(stackOf(s.ID))
	n := slices.Index(addresses, until) + 1
	for _, id := range others {
		theirs, _, _ := f.d.Known.Frames(id)
		if n > 0 && len(theirs) >= n && slices.Equal(theirs[:n], addresses[:n]) {
			list = append(list, f.frees(id))
		}
		if len(list) == mostOthers {
			break
		}
	}
	return list
}

// all returns the frees of the stacks whose blocks are freed most.
func (f *freeSides) all(ids []event.StackID) (list []answer.Frees) {
	for _, id := range ids[:min(len(ids), mostOthers)] {
		list = append(list, f.frees(id))
	}
	return list
}

// frees returns where the blocks of a stack were freed, with names.
func (f *freeSides) frees(id event.StackID) answer.Frees {
	if known, ok := f.of[id]; ok {
		return known
	}
	var frees answer.Frees
	if frames, _ := f.d.frames(id); len(frames) > 0 {
		frees.Own = &frames[answer.OwnFrame(frames, &f.d.target)]
	}
	list := f.d.Known.FreedAt[id]
	slices.SortFunc(list, func(a, b live.FreedAt) int {
		return cmp.Or(cmp.Compare(b.Blocks, a.Blocks), cmp.Compare(a.Stack, b.Stack))
	})
	for _, at := range list {
		freed, ok := f.named[at.Stack]
		if !ok {
			freed.Frames, freed.Truncated = f.d.frames(at.Stack)
			freed.Frames = behindFree(freed.Frames)
			freed.OwnFrame = answer.OwnFrame(freed.Frames, &f.d.target)
			f.named[at.Stack] = freed
		}
		freed.Samples, freed.Blocks = at.Samples, at.Blocks
		frees.By = append(frees.By, freed)
	}
	f.of[id] = frees
	return frees
}

// behindFree drops the function that was called to free from the frames of a stack. With what is inlined
// into it, it has one address.
func behindFree(frames []report.Frame) []report.Frame {
	for i := range frames {
		if frames[i].Address != frames[0].Address {
			return frames[i:]
		}
	}
	return nil
}
