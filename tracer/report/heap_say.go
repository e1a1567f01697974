package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// What is said of a heap, for all forms that people read. Names from the process are escaped, and not
// longer than a line.

// Name names the blocks.
func (k *HeapPart) Name() string { return heapKind(k.Size, k.Kind) }

// String writes bytes and blocks.
func (s HeapSum) String() string { return Size(s.Bytes) + " in " + counted(s.Blocks, "block") }

// heapSum is the same in short.
func heapSum(s HeapSum) string { return Size(s.Bytes) + " in " + Count(s.Blocks) }

// Name names the blocks of a group.
func (g *HeapGrowth) Name() string { return heapKind(g.Size, g.Kind) }

// Rate is how fast a group grows and the limits of that, "" for one that fades.
func (g *HeapGrowth) Rate() string {
	if g.Class == HeapFading {
		return ""
	}
	return blocksWithin(g.PerMinute, g.Low, g.High)
}

// Judged says what becomes of a group.
func (g *HeapGrowth) Judged() string {
	switch g.Class {
	case HeapSteady:
		return HeapSteady
	case HeapFilling:
		return "filling: a cache that is not full, or a leak"
	case HeapFading:
		return "fading: a cache"
	}
	return "not certain yet"
}

// HeldBy says who holds a group, and what that looks like.
func (g *HeapGrowth) HeldBy() string {
	held := g.Holder.Held()
	if g.Shape != "" && g.Holder.Class != HeapUnreached {
		held += ", " + heapShape(g.Shape, g.Depth)
	}
	if g.ByPlace {
		held += "; contents change"
	}
	return held
}

// Why says why something is called filling, and what speaks for a cache beside that.
func (g *HeapGrowth) Why() (why []string) {
	if g.Class != HeapFilling {
		return nil
	}
	add := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	if g.Slots != nil {
		add("%s of %s slots empty", Count(g.Slots.Empty), Count(g.Slots.Words))
	}
	if g.Slowing {
		add("grows less from look to look")
	}
	if g.Left > 0 {
		add("of %s that came %s left", Count(g.Came), Count(g.Left))
	}
	return why
}

// heapShape says in words what a structure looks like.
func heapShape(shape string, depth int) string {
	text := "a " + escape(shape)
	if strings.HasPrefix(shape, "array") {
		text = "an " + escape(shape)
	}
	if depth > 1 {
		text += fmt.Sprintf(" %s deep", Count(uint64(depth)))
	}
	return text
}

// Grown are the groups to show, and left how many more there are: of those that fade, or are not certain,
// only a few are shown unless top is 0.
func (r *HeapReport) Grown(top int) (list []*HeapGrowth, left int) {
	less := make(map[string]int) // of classes that are worth less room
	for i := range r.Growing {
		g := &r.Growing[i]
		if g.Class != HeapFading && !g.Grows() {
			continue
		}
		if g.Class == HeapFading || g.Class == HeapUnknown {
			if less[g.Class]++; top > 0 && less[g.Class] > heapLists {
				left++
				continue
			}
		}
		list = append(list, g)
	}
	return list, left
}

// How says how the report came to be.
func (r *HeapReport) How() string {
	text := counted(uint64(max(r.Looks, 0)), "look")
	if r.Looks > 1 {
		text += " in " + Seconds(r.DurationSeconds)
	}
	if r.OneIn > 0 {
		text += " at one block of " + Count(r.OneIn)
	}
	how := "nothing stopped"
	if s := r.Stops; s != nil {
		how = "stopped for " + stall(s.LongestSeconds)
		if s.Times > 1 {
			how = fmt.Sprintf("stopped %s times for at most %s", Count(uint64(s.Times)), stall(s.LongestSeconds))
		}
		how += " to copy " + Size(s.CopiedBytes)
	}
	return text + fmt.Sprintf(", %s, no probe; %s, %s in use, %s free",
		how, counted(r.Blocks.InUse.Blocks, "block"), Size(r.Blocks.InUse.Bytes), Size(r.Blocks.Free()))
}

// Unfollowed says why it is not known what nobody points at.
func (r *HeapReport) Unfollowed() string {
	if r.OneIn > 0 {
		return "not known: that takes a look at all blocks"
	}
	return "not known yet: that takes three looks"
}

// stall writes how long something was stopped.
func stall(seconds float64) string {
	if !(seconds < 1) {
		return Seconds(seconds)
	}
	return fmt.Sprintf("%.1f ms", 1000*seconds)
}

// Sums says how much is unreachable.
func (u *HeapUnreachable) Sums() string {
	var sums []string
	for _, part := range []struct {
		sum  HeapSum
		word string
	}{{u.Certain, "certain"}, {u.Possible, "possible"}} {
		if part.sum.Blocks > 0 {
			sums = append(sums, fmt.Sprintf("%s, %s, %s", counted(part.sum.Blocks, "block"), Size(part.sum.Bytes), part.word))
		}
	}
	if len(sums) == 0 {
		return "nothing"
	}
	return strings.Join(sums, "; ")
}

// Name names the roots of lost structures.
func (l *HeapLost) Name() string {
	return fmt.Sprintf("%s of %s", Count(l.Roots), heapKind(l.Size, l.Kind))
}

// With says what hangs on the roots, "" for nothing.
func (l *HeapLost) With() string {
	switch {
	case l.Cycle:
		return "in cycles"
	case l.All.Blocks > l.Roots:
		return fmt.Sprintf("with all that hangs on them %s blocks", heapSum(l.All))
	}
	return ""
}

// Doubt says whether it is possible alone, and why; "" where it is certain.
func (l *HeapLost) Doubt() string {
	switch {
	case l.Certain:
		return ""
	case l.Why == "":
		return "possible"
	}
	return "possible, " + escape(l.Why)
}

func (l *HeapLost) String() string {
	text := l.Name()
	if with := l.With(); with != "" {
		text += ", " + with
	}
	text += fmt.Sprintf(", such as 0x%x", l.Address)
	if doubt := l.Doubt(); doubt != "" {
		text += ": " + doubt
	}
	return text
}

// Unseen says which pointers are not seen, so that what they lead to may seem unreachable.
func (r *HeapReport) Unseen() string {
	const unseen = "not seen: pointers that are XORed, tagged in their high bits, compressed to 32 bits, unaligned, "
	if r.Stops != nil {
		return unseen + "or in shared memory alone"
	}
	return unseen + "in shared memory alone, or in registers alone"
}

// Structure says what a holder's blocks look like, "" where that is not known.
func (h *HeapHolder) Structure() string {
	if h.Shape == "" {
		return ""
	}
	return heapShape(h.Shape, h.Depth)
}

// Trend says what becomes of what a holder holds, "" for nothing that is known.
func (h *HeapHolder) Trend() string {
	switch {
	case h.Growing:
		return "growing " + BlocksPerMinute(h.PerMinute)
	case h.Varies:
		return "up and down"
	}
	return ""
}

// Parts are the blocks by size and kind, whoever holds them, those with most bytes first.
func (r *HeapReport) Parts() (list []HeapPart) {
	type key struct {
		size uint64
		kind string
	}
	sums := make(map[key]int)
	for _, k := range r.Kinds { // the same kinds are listed once for each holder
		i, ok := sums[key{k.Size, k.Kind}]
		if !ok {
			i = len(list)
			sums[key{k.Size, k.Kind}] = i
			list = append(list, HeapPart{Size: k.Size, Kind: k.Kind})
		}
		list[i].Blocks = addClamped(list[i].Blocks, k.Blocks)
		list[i].Bytes = addClamped(list[i].Bytes, k.Bytes)
	}
	slices.SortStableFunc(list, func(a, b HeapPart) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Size, b.Size), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}

// Used says what is in use.
func (s *HeapSpace) Used() string {
	text := s.InUse.String()
	if s.Mapped.Blocks > 0 || s.MappedKnown.Blocks > 0 {
		text += fmt.Sprintf(", of them %s with mappings of their own", heapSum(s.Mapped))
		if s.MappedKnown.Blocks != s.Mapped.Blocks {
			text += fmt.Sprintf(" (malloc counts %s)", Count(s.MappedKnown.Blocks))
		}
	}
	return text
}

// Kept says what is free, and where.
func (s *HeapSpace) Kept() string {
	return fmt.Sprintf("%s in bins, %s in fastbins, %s in tcaches, %s at the top",
		Size(s.Bins.Bytes), Size(s.Fast.Bytes), Size(s.Cached.Bytes), Size(s.Top.Bytes))
}

func (k *HeapSkip) String() string {
	return fmt.Sprintf("%s in %s: %s", Size(k.Bytes), counted(uint64(max(k.Ranges, 0)), "range"), escape(k.Why))
}

// Hidden says what a suppression hides of a heap.
func (s *Suppressed) Hidden() string {
	return fmt.Sprintf("leak:%s hides %s in %s", escape(s.Pattern), Size(s.Bytes), counted(s.Blocks, "block"))
}

// about writes a time that is only an estimate.
func about(seconds float64) string {
	const minute = 60
	switch {
	case seconds < 2*minute:
		return fmt.Sprintf("%.0f s or so", math.Ceil(seconds))
	case seconds < 2*minute*minute:
		return fmt.Sprintf("%.0f min or so", seconds/minute)
	}
	return fmt.Sprintf("%.0f h or so", min(seconds/minute/minute, 1e6))
}

// of writes a part of so many things.
func of(part, all uint64, thing string) string { return Count(part) + " of " + counted(all, thing) }
