package answer

import "memtrace/tracer/report"

// RetellFreed says anew where the blocks of a stack are freed, once there are names: places that have
// one name by then are one. all: every call was traced.
func RetellFreed(s *report.Stack, all bool) {
	if s.Freed != nil && s.OwnFrame < len(s.Frames) {
		s.Freed.By, s.Freed.Siblings = joinFreers(s.Freed.By), joinFreers(s.Freed.Siblings)
		s.Freed.Text = freeText(s, s.Freed, all)
	}
}

// joinFreers lists the places of frees anew. Their shares need not add up to 1.
func joinFreers(places []report.Freer) []report.Freer {
	var frees []Freed
	var all float64
	for i := range places {
		f := &places[i]
		all += f.Share
		blocks := uint64(f.Share * (1 << 32))
		frees = append(frees, Freed{Samples: f.Samples, Blocks: blocks, OwnFrame: f.OwnFrame, Truncated: f.Truncated, Frames: f.Frames})
	}
	joined := freers(frees)
	for i := range joined {
		joined[i].Share *= all
	}
	return joined
}

// plusFreed returns where the blocks of two stacks are freed, nil where that is not known of both. To be
// told it needs RetellFreed.
func plusFreed(a, b *report.Stack) *report.FreeSide {
	switch {
	case a.Freed == nil && a.FreedBlocks > 0, b.Freed == nil && b.FreedBlocks > 0:
		return nil
	case a.Freed == nil:
		return b.Freed
	case b.Freed == nil:
		return a.Freed
	}
	side := &report.FreeSide{By: plusFreers(a.Freed.By, b.Freed.By, float64(a.FreedBlocks), float64(b.FreedBlocks))}
	if len(side.By) == 0 {
		side.Siblings = plusFreers(a.Freed.Siblings, b.Freed.Siblings, 1, 1)
	}
	return side
}

// plusFreers returns the places of both, of so many frees each.
func plusFreers(a, b []report.Freer, freesA, freesB float64) (all []report.Freer) {
	for i, list := range [][]report.Freer{a, b} {
		part := []float64{freesA, freesB}[i] / max(freesA+freesB, 1)
		if len(a) == 0 || len(b) == 0 {
			part = 1
		}
		for k := range list {
			f := list[k]
			f.Share *= part
			all = append(all, f)
		}
	}
	return all
}
