package report

import (
	"slices"
	"strings"
	"time"
)

// Unlooked says why there was no look.
func (h *HeapBeside) Unlooked() string {
	if h.Unread != "" {
		return "not looked at: " + escape(h.Unread)
	}
	return "not looked at yet"
}

// Seen says how often the heap was looked at, and what is in use.
func (h *HeapBeside) Seen() string {
	text := counted(uint64(max(h.Looks, 0)), "look")
	if h.Looks > 1 {
		text += " in " + Seconds(h.DurationSeconds)
	}
	return text + " from outside, " + counted(h.InUse.Blocks, "block") + ", " + Size(h.InUse.Bytes) + " in use"
}

// Found says whether anything grows.
func (h *HeapBeside) Found() string {
	switch {
	case h.Looks < 3:
		return "what grows is not known yet, that takes three looks"
	case len(h.Growing) == 0:
		return "nothing is seen to grow that stays"
	}
	return "what grows:"
}

// Age is how long the last look was before a time, "" where that is not known.
func (h *HeapBeside) Age(at time.Time) string {
	if h.Looks == 0 || h.End.IsZero() || at.IsZero() {
		return ""
	}
	return Seconds(max(at.Sub(h.End), 0).Seconds())
}

// Share says how many blocks of a group one of its stacks allocated.
func (g *HeapOrigin) Share(r *Report, s *HeapSource) string {
	text := of(s.Blocks, g.Checked, "block")
	if r.Mode == ModeWindows {
		text += ", " + s.seen()
	}
	if s.doubtful() {
		text += "; it was given " + counted(s.Given, "block") + " of that size there, so most are gone, and others may have their places"
	}
	return text
}

// By says what a stack of a group did, as far as that is known.
func (s *HeapSource) By() string {
	if s.doubtful() {
		return "perhaps allocated by"
	}
	return "allocated by"
}

// Others says what there is to know of the blocks of which the stack is not known, "" if there are none.
func (g *HeapOrigin) Others(r *Report) string {
	if g.Traced > 0 {
		switch {
		case g.Traced >= g.Checked:
			return ""
		case slices.ContainsFunc(g.AllocatedBy, func(s HeapSource) bool { return s.Returned > 0 }):
			return "the others came before that was watched, or from elsewhere"
		case r.Mode == ModeWindows:
			return "the others look like what was seen"
		}
		return "the others are gone since, or were not traced"
	}
	text := "who allocates it is not known: "
	switch every := g.SeenEverySeconds; {
	case g.Checked == 0:
		text += "none of its blocks was looked up"
	case r.Mode != ModeWindows:
		text += "its blocks are gone since, or were not traced"
	case every > 0:
		text += "no window saw it, and one sees such a call every " + about(every)
	default:
		text += "no window saw it"
	}
	return text
}

// Alike says how many blocks like those of a group the stack allocated.
func (s *HeapSource) Alike() string {
	return counted(s.Blocks, "block") + " of the same size and kind that others hold"
}

// Names names some functions of a stack, from the program's own on.
func (s *HeapSource) Names(most int) string {
	if len(s.Frames) == 0 {
		return "a stack that is not known any more"
	}
	var names []string
	frames := s.Frames[min(max(s.OwnFrame, 0), len(s.Frames)-1):]
	for i := range frames {
		if len(names) == most || i > 0 && frames[i].Library {
			break
		}
		name := rowOf(&frames[i], 1)
		text := ShortName(name.name, heapNameColumns)
		if name.place != "" {
			text += " " + cutLeft(baseName(name.place), heapNameColumns/2)
		}
		names = append(names, text)
	}
	return strings.Join(names, " < ")
}

// HeapLines writes what grows in the heap as the text form does, in lines of a width; none where the heap
// was not to be looked at. Stacks have the numbers that they have in the report.
func HeapLines(r *Report, width int) []string {
	if r.Heap == nil {
		return nil
	}
	p := newPrinter(TextOptions{Width: width})
	p.heapBeside(r, TextOptions{Width: width, Verbose: true})
	return strings.Split(strings.Trim(p.buf.String(), "\n"), "\n")
}
