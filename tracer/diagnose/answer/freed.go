package answer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

// Frees is where the blocks of a stack were freed, and by which function of the program they were
// allocated.
type Frees struct {
	Own *report.Frame // nil if not known
	By  []Freed
}

// Freed is a stack by which blocks were freed: how many samples, and how many blocks they stand for.
type Freed struct {
	Samples, Blocks uint64
	OwnFrame        int
	Truncated       bool
	Frames          []report.Frame
}

// FreeEvidence is what was seen of frees.
type FreeEvidence struct {
	// Own is the frees of the stack's blocks, Siblings those of other stacks of the same function, Others
	// those of all other stacks.
	Own              Frees
	Siblings, Others func() []Frees
	// All says that every call was traced. Frees are samples of these.
	All bool
}

// Bounds of what is said.
const (
	// mostFreers is how many places are listed.
	mostFreers = 8
	// leastMissing is how many frees of other blocks must be seen where those of a stack are missed.
	leastMissing = 3
	// leastShared is how many frees must be seen before parts of them are told.
	leastShared = 20
	// mostChance is how likely it may be that frees were only missed by chance.
	mostChance = 0.05
	// leastCovered is the part of the freed blocks that those places must account for which were seen.
	// The others were resized, or freed in ways that are not sampled.
	leastCovered = 0.5
)

// FreeSide says where the blocks of a stack that leaks are freed, and where they are not. It returns nil
// if nothing is known.
func FreeSide(s *report.Stack, e *FreeEvidence) *report.FreeSide {
	side := &report.FreeSide{By: freers(e.Own.By)}
	seen := e.Own.By
	switch samples, blocks := sampled(seen); {
	case samples == 0:
		if e.All && s.FreedBlocks > 0 || len(s.Frames) == 0 {
			return nil // some were freed, and it is not known where
		}
		for _, o := range e.Siblings() {
			seen = append(seen, o.By...)
		}
		side.Siblings = freers(seen)
	case e.All && float64(blocks) < leastCovered*float64(s.FreedBlocks):
		return nil
	}
	if len(seen) == 0 {
		return nil
	}
	if e.All { // windows see those frees alone that come soon
		side.Missing = missing(seen, e.Others())
	}
	side.Text = freeText(s, side, e.All)
	return side
}

// sampled returns how many frees were seen, and how many these stand for.
func sampled(frees []Freed) (samples, blocks uint64) {
	for i := range frees {
		samples += frees[i].Samples
		blocks += frees[i].Blocks
	}
	return samples, blocks
}

// freers lists the places of frees, most first. Those in the same function and caller are one.
func freers(frees []Freed) []report.Freer {
	type place struct{ own, caller string }
	var all uint64
	sums := make(map[place]*Freed)
	var order []place
	for i := range frees {
		f := &frees[i]
		all += f.Blocks
		at := place{}
		if own, caller := f.at(); own != nil {
			at.own = printedPlace(own)
			if caller != nil {
				at.caller = printedPlace(caller)
			}
		}
		if sums[at] == nil {
			sums[at] = &Freed{OwnFrame: f.OwnFrame, Truncated: f.Truncated, Frames: f.Frames}
			order = append(order, at)
		}
		sums[at].Samples += f.Samples
		sums[at].Blocks += f.Blocks
	}
	slices.SortStableFunc(order, func(a, b place) int { return cmp.Compare(sums[b].Blocks, sums[a].Blocks) })
	var list []report.Freer
	for _, at := range order[:min(len(order), mostFreers)] {
		f := sums[at]
		list = append(list, report.Freer{
			Share: float64(f.Blocks) / float64(max(all, 1)), Samples: f.Samples,
			OwnFrame: f.OwnFrame, Truncated: f.Truncated, Frames: f.Frames,
		})
	}
	return list
}

// printedPlace tells functions apart, named or not.
func printedPlace(f *report.Frame) string {
	if f.Function != "" {
		return f.Function
	}
	return printed(f)
}

// at returns the function of the program that frees, nil if there are no frames, and its caller.
func (f *Freed) at() (own, caller *report.Frame) { return ownAndCaller(f.Frames, f.OwnFrame) }

// ownAndCaller returns the function of the program that a stack names first, and the one that calls
// it, nil if that is none of the program's.
func ownAndCaller(frames []report.Frame, ownFrame int) (own, caller *report.Frame) {
	if len(frames) <= ownFrame {
		return nil, nil
	}
	own = &frames[ownFrame]
	for i := range frames[ownFrame+1:] {
		if f := &frames[ownFrame+1+i]; f.Function != own.Function && f.Function != "" {
			if f.Library {
				return own, nil
			}
			return own, f
		}
	}
	return own, nil
}

// path is the program's functions on a stack, innermost first, each once in a row.
func (f *Freed) path() (path []*report.Frame) {
	for i := min(f.OwnFrame, len(f.Frames)); i < len(f.Frames); i++ {
		at := &f.Frames[i]
		if at.Library || at.Function == "" || len(path) > 0 && identity(path[len(path)-1]) == identity(at) {
			continue
		}
		path = append(path, at)
	}
	return path
}

// pair is a function and the one that calls it.
type pair struct{ function, caller [2]string }

// missing looks for a function that frees the blocks of another stack beside one that frees those
// seen, and none of these. Both have one caller, as the handlers of events have. It returns nil if it
// is not known of all frees where they were, or if that may be chance.
func missing(seen []Freed, others []Frees) *report.MissingFree {
	within := make(map[[2]string]bool)
	most := &seen[0]
	for i := range seen {
		if len(seen[i].Frames) == 0 || seen[i].Truncated {
			return nil
		}
		for _, f := range seen[i].path() {
			within[identity(f)] = true
		}
		if seen[i].Blocks > most.Blocks {
			most = &seen[i]
		}
	}
	samples, _ := sampled(seen)
	path := most.path()
	var best *report.MissingFree
	for j := 0; j+1 < len(path) && best == nil; j++ {
		like := pair{identity(path[j]), identity(path[j+1])}
		for i := range others {
			if m := others[i].missing(like, within, samples); m != nil && (best == nil || m.Samples > best.Samples) {
				best = m
				best.Like = *path[j]
			}
		}
	}
	return best
}

// missing returns the function that frees these blocks most of those with the caller of like, if
// like frees them as well and the function is none of within. Of so many frees that were seen of the
// stack's blocks it would have made one, most likely, if it made as many of them as it makes of these.
func (o *Frees) missing(like pair, within map[[2]string]bool, samples uint64) *report.MissingFree {
	if o.Own == nil {
		return nil
	}
	var alike uint64
	found := make(map[[2]string]*report.MissingFree)
	var best *report.MissingFree
	for i := range o.By {
		path := o.By[i].path()
		for k := 0; k+1 < len(path); k++ {
			at := pair{identity(path[k]), identity(path[k+1])}
			if at == like {
				alike += o.By[i].Samples
			}
			if at.caller != like.caller || within[at.function] {
				continue
			}
			m := found[at.function]
			if m == nil {
				m = &report.MissingFree{By: *path[k], Other: *o.Own}
				found[at.function] = m
			}
			if m.Samples += o.By[i].Samples; best == nil || m.Samples > best.Samples {
				best = m
			}
		}
	}
	if alike == 0 || best == nil || best.Samples < leastMissing {
		return nil
	}
	part := float64(best.Samples) / float64(best.Samples+alike)
	if math.Pow(1-part, float64(samples)) > mostChance {
		return nil
	}
	return best
}

// freeText says what is known, in a sentence or two.
func freeText(s *report.Stack, side *report.FreeSide, all bool) string {
	var text string
	switch {
	case len(side.By) > 0:
		text = "Its blocks are freed by " + places(side.By) + "."
	case all:
		text = "None of its blocks was freed."
	default:
		text = "No free of its blocks was seen."
	}
	if len(side.Siblings) > 0 {
		text += " Others that " + name(&s.Frames[s.OwnFrame]) + " allocates are freed by " + places(side.Siblings) + "."
	}
	if m := side.Missing; m != nil {
		text += fmt.Sprintf(" %s frees what %s allocates, as %s does, but none of these.", name(&m.By), name(&m.Other), name(&m.Like))
	}
	return text
}

// places names the most frequent places of frees with their shares.
func places(list []report.Freer) string {
	const most = 2
	var texts []string
	var samples uint64
	for i := range list {
		samples += list[i].Samples
	}
	for i := range list[:min(len(list), most)] {
		f := &list[i]
		text := "code that is not known"
		if own, caller := ownAndCaller(f.Frames, f.OwnFrame); own != nil {
			text = Site(own, caller)
		}
		if f.Share < 0.995 && samples >= leastShared {
			text += fmt.Sprintf(" (%.0f %%)", 100*f.Share)
		}
		texts = append(texts, text)
	}
	if len(list) > most {
		texts = append(texts, "others")
	}
	if n := len(texts); n > 1 {
		texts = append(texts[:n-2], texts[n-2]+" and "+texts[n-1])
	}
	return strings.Join(texts, ", ")
}
