package report

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"path"
	"slices"
	"strings"
)

// sharedStack is a stack that leaks in several processes.
type sharedStack struct {
	// report and stack are the indices of its fastest one, whose frames are those of all.
	report, stack int
	fastest       float64
	pids          []int
	// rate is that of all together, and sum what they hold, except where that is estimated.
	rate      Bounds
	sum       Sum
	estimated bool
	// certain and possible are how many of the stacks leak, and how many may leak.
	certain, possible int
}

// sharedStacks returns the leaking stacks that have the same printed frames in at least two of
// the reports, the fastest first.
func sharedStacks(list []*Report) (shared []*sharedStack) {
	seed := maphash.MakeSeed()
	byFrames := make(map[uint64]*sharedStack)
	for i, r := range list {
		for k := range r.Stacks {
			s := &r.Stacks[k]
			rate, certain, ok := s.Leak()
			if !ok || s.GivenUpStacks > 0 {
				continue
			}
			named := r.Named(s)
			if len(named.Frames) == 0 {
				continue
			}
			key := maphash.String(seed, printed(&named))
			all := byFrames[key]
			if all == nil {
				all = &sharedStack{fastest: -1}
				byFrames[key] = all
			}
			all.add(s, rate, certain, r.Target.PID)
			if rate.Value > all.fastest {
				all.report, all.stack, all.fastest = i, k, rate.Value
			}
		}
	}
	for _, all := range byFrames {
		if len(all.pids) > 1 {
			shared = append(shared, all)
		}
	}
	slices.SortFunc(shared, func(a, b *sharedStack) int {
		return cmp.Or(cmp.Compare(b.rate.Value, a.rate.Value), cmp.Compare(a.report, b.report), cmp.Compare(a.stack, b.stack))
	})
	return shared
}

func (all *sharedStack) add(s *Stack, rate Bounds, certain bool, pid int) {
	if !slices.Contains(all.pids, pid) {
		all.pids = append(all.pids, pid)
	}
	all.rate.Value += rate.Value
	all.rate.Low += rate.Low
	all.rate.High += rate.High
	all.estimated = all.estimated || s.Estimate != nil
	all.sum.Bytes = addClamped(all.sum.Bytes, s.Bytes)
	all.sum.Blocks = addClamped(all.sum.Blocks, s.Blocks)
	if certain {
		all.certain++
	} else {
		all.possible++
	}
}

// printed returns what tells a stack's frames from others wherever the process has loaded them.
func printed(s *Stack) string {
	var text strings.Builder
	for i := range s.Frames {
		f := &s.Frames[i]
		switch {
		case f.Function == "" && f.Module != "":
			fmt.Fprintf(&text, "%s+0x%x", path.Base(f.Module), f.Offset)
		default:
			r := rowOf(f, 1)
			text.WriteString(r.name + r.suffix + "\x00" + r.place)
		}
		text.WriteByte('\n')
	}
	return text.String()
}

// verb says what the stacks do.
func (all *sharedStack) verb() string {
	switch {
	case all.possible == 0:
		return "leak "
	case all.certain == 0:
		return "may leak "
	}
	return "leak or may leak "
}

// allProcesses writes the stacks that leak in several processes. Where lines are few it names
// their functions only.
func (p *printer) allProcesses(list []*Report, opt TextOptions) {
	shared := sharedStacks(list)
	if len(shared) == 0 {
		return
	}
	const few = 2
	shown := shared
	if opt.Top > 0 {
		shown = shared[:min(len(shared), opt.Top)]
	}
	p.newline()
	if opt.Height > 0 {
		for _, all := range shown[:min(len(shown), few)] {
			s := list[all.report].Named(&list[all.report].Stacks[all.stack])
			p.line(span{cutRight("All processes: "+all.head()+" in "+ownFunction(&s), p.width), plain})
		}
		return
	}
	p.paragraph(span{}, "All processes", bold)
	columns := p.frameColumns(len(shown), func(i int) []Frame {
		return list[shown[i].report].Named(&list[shown[i].report].Stacks[shown[i].stack]).Frames
	})
	for i, all := range shown {
		r := list[all.report]
		s := r.Named(&r.Stacks[all.stack])
		p.newline()
		items := []span{{all.head(), bold}}
		if !all.estimated {
			items = append(items, span{exactBytes(all.sum.Bytes) + " in " + counted(all.sum.Blocks, "block"), bold})
		}
		p.flow(numbered("A", i), stackIndent, "  ", append(items, span{text: pidList(all.pids)})...)
		p.frames(&s, columns, noFrame, opt)
	}
	if hidden := len(shared) - len(shown); hidden > 0 {
		p.newline()
		p.paragraph(span{}, "and "+counted(uint64(hidden), "more stack")+" that "+verb(hidden, "leaks", "leak")+" in several processes (-T 0 lists all)", plain)
	}
}

// head says how many processes leak how much.
func (all *sharedStack) head() string {
	rate := Rate(all.rate.Value)
	if all.estimated {
		rate = RateWithin(all.rate.Value, all.rate.Low, all.rate.High)
	}
	return fmt.Sprintf("%d processes %s%s", len(all.pids), all.verb(), rate)
}

// pidList names the processes, not too many of them.
func pidList(pids []int) string {
	const most = 5
	text := "pids "
	for i, pid := range pids[:min(len(pids), most)] {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprint(pid)
	}
	if len(pids) > most {
		text += ", ..."
	}
	return text
}

// ownFunction names the program's own function of a stack.
func ownFunction(s *Stack) string {
	return rowOf(&s.Frames[min(max(s.OwnFrame, 0), len(s.Frames)-1)], 1).name
}
