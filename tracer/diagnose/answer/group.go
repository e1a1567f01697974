package answer

import (
	"cmp"
	"hash/maphash"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"memtrace/tracer/report"
)

// interpreters are functions that stand for whatever an interpreter runs at the time.
var interpreters = regexp.MustCompile(`^(Interpreter|Builtins_(Interpreter|Baseline)\w*|interpreted .*)$`)

// tiers are the marks that V8 puts before the name of a function for the compiler it came from.
const tiers = "~*^+"

// printed returns what a frame looks like in a report. Code that was made at run time and has no
// name is all alike, and so is what an interpreter does: the same site would stand there once
// for each way in which it was run.
func printed(f *report.Frame) string {
	made := f.Module == "" || strings.HasPrefix(f.Module, "[")
	switch {
	case interpreters.MatchString(f.Function), made && f.Function == "":
		return ""
	case made:
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(tiers, r) {
				return -1
			}
			return r
		}, f.Function)
	case f.Function == "":
		return f.Module + "+" + strconv.FormatUint(f.Offset, 16)
	}
	return f.Function + "\x00" + f.File + ":" + strconv.Itoa(f.Line)
}

// Group merges the stacks whose printed frames are alike, of those that have their frames.
func Group(stacks []report.Stack) []report.Stack {
	type key struct {
		kind, class, allocator, suppressed string
		frames                             uint64
	}
	seed := maphash.MakeSeed()
	first := make(map[key]int)
	kept := stacks[:0]
	for i := range stacks {
		s := stacks[i]
		if s.GivenUpStacks > 0 || len(s.Frames) == 0 {
			kept = append(kept, s)
			continue
		}
		k := key{kind: string(s.Kind), class: grownClass(&s), allocator: s.Allocator, suppressed: s.Suppressed, frames: framesHash(seed, &s)}
		at, ok := first[k]
		if !ok {
			first[k] = len(kept)
			kept = append(kept, s)
			continue
		}
		merge(&kept[at], &s)
	}
	clear(stacks[len(kept):])
	for i := range kept {
		if kept[i].MergedStacks > 1 {
			slices.SortStableFunc(kept[i].Like, func(a, b report.Like) int { return cmp.Compare(b.Bytes, a.Bytes) })
			kept[i].Like = kept[i].Like[:min(len(kept[i].Like), report.MostLike)]
			slices.SortFunc(kept[i].BlockList, func(a, b report.Block) int {
				return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Address, b.Address))
			})
		}
	}
	return kept
}

func grownClass(s *report.Stack) string {
	if len(s.Grown) > 0 {
		return s.Grown[0].Class
	}
	if s.Estimate != nil {
		return "estimate"
	}
	if s.Inherited {
		return "inherited"
	}
	return ""
}

// framesHash hashes what is printed of a stack's frames.
func framesHash(seed maphash.Seed, s *report.Stack) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	last := "\x01"
	for i := range s.Frames {
		text := printed(&s.Frames[i])
		if text == "" && last == "" {
			continue // a run of such frames counts as one
		}
		last = text
		h.WriteString(text)
		h.WriteByte(1)
	}
	return h.Sum64()
}

// merge adds b to a, which keeps its frames.
func merge(a, b *report.Stack) {
	noteLike(a, b)
	freed := plusFreed(a, b)
	a.Add(b)
	a.Freed = freed
	a.MergedStacks = max(a.MergedStacks, 1) + max(b.MergedStacks, 1)
	a.BlockList = append(a.BlockList, b.BlockList...)
	if a.Estimate != nil && b.Estimate != nil {
		a.Estimate = mergeEstimates(a.Estimate, b.Estimate)
	}
}

// noteLike notes what tells a stack from a, which it is about to be added to.
func noteLike(a, b *report.Stack) {
	const most = 1 << 10 // they are sorted later
	if len(a.Frames) == 0 || len(b.Frames) == 0 || len(a.Like) >= most {
		return
	}
	last := min(len(a.Frames), len(b.Frames)) - 1
	at := 0
	for at < last && a.Frames[at].Address == b.Frames[at].Address {
		at++
	}
	like := func(s *report.Stack) report.Like {
		f := &s.Frames[at]
		return report.Like{ID: s.ID, Bytes: s.Bytes, Blocks: s.Blocks, Address: f.Address, Module: f.Module, Offset: f.Offset}
	}
	if a.MergedStacks <= 1 {
		a.Like = append(a.Like, like(a))
	}
	a.Like = append(a.Like, like(b))
}
