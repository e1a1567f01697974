package ended

import (
	"fmt"
	"path"
	"time"

	"memtrace/tracer/report"
)

func plus(a, b report.Sum) report.Sum {
	return report.Sum{Bytes: a.Bytes + b.Bytes, Blocks: a.Blocks + b.Blocks}
}

func earlier(a, b *report.Report) time.Time {
	if b.Start.Before(a.Start) {
		return b.Start
	}
	return a.Start
}

func later(a, b *report.Report) time.Time {
	if b.End.After(a.End) {
		return b.End
	}
	return a.End
}

// addEvents adds what was counted of two processes. What was lost is counted of all processes
// together, so the later count has the earlier one in it.
func addEvents(a, b report.Events) report.Events {
	a.Alloc += b.Alloc
	a.Free += b.Free
	a.Realloc += b.Realloc
	a.Mmap += b.Mmap
	a.Munmap += b.Munmap
	a.Mremap += b.Mremap
	a.Brk += b.Brk
	a.Mprotect += b.Mprotect
	a.UnknownFree += b.UnknownFree
	a.Evicted += b.Evicted
	a.GivenUpStacks += b.GivenUpStacks
	a.Lost = b.Lost
	return a
}

func addServed(a, b report.Served) report.Served {
	return report.Served{Brk: addShare(a.Brk, b.Brk), Arena: addShare(a.Arena, b.Arena), Mmap: addShare(a.Mmap, b.Mmap)}
}

func addShare(a, b report.Share) report.Share {
	a.Bytes += b.Bytes
	a.Blocks += b.Blocks
	a.ChunkBytes += b.ChunkBytes
	return a
}

// diagnosis says what several processes of one program had not freed when they ended. The
// stacks are sorted.
func diagnosis(r *report.Report) *report.Diagnosis {
	who := fmt.Sprintf("%s (%s processes that ended)", r.Target.Command, report.Count(uint64(r.Target.Processes)))
	sum := plus(r.Outstanding, report.Sum{Bytes: r.Young.Bytes, Blocks: r.Young.Blocks})
	f := report.Finding{
		Kind: report.NeverFreed, Confidence: "certain", Bytes: sum.Bytes, Blocks: sum.Blocks, StacksTotal: len(r.Stacks),
	}
	if !r.Complete {
		f.Confidence = "likely"
	}
	switch {
	case r.Mode == report.ModeWindows || r.Mode == report.ModeGrowth:
		f.Kind, f.Confidence, f.Bytes, f.Blocks, f.StacksTotal = report.TooShort, "possible", 0, 0, 0
		f.Text = "ended; what they had not freed is not known, since not every call was traced"
	case sum.Blocks == 0:
		f.Kind, f.StacksTotal = report.Nothing, 0
		f.Text = "had freed all that they allocated while traced"
	default:
		blocks := "blocks"
		if sum.Blocks == 1 {
			blocks = "block"
		}
		f.Text = fmt.Sprintf("had not freed %s in %s %s when they ended", report.Size(sum.Bytes), report.Count(sum.Blocks), blocks)
		blame(&f, r.Stacks)
	}
	return &report.Diagnosis{Answer: who + " " + f.Text, Findings: []report.Finding{f}, Accounts: []report.Account{}}
}

// blame names the stack that holds most.
func blame(f *report.Finding, stacks []report.Stack) {
	const named = 10
	for i := range stacks[:min(len(stacks), named)] {
		f.Stacks = append(f.Stacks, stacks[i].ID)
	}
	if len(stacks) == 0 || len(stacks[0].Frames) == 0 {
		return
	}
	s := &stacks[0]
	culprit := s.Frames[min(s.OwnFrame, len(s.Frames)-1)]
	f.Culprit, f.Share = &culprit, float64(s.Bytes)/float64(max(f.Bytes, 1))
	name := culprit.Function
	if name == "" {
		name = fmt.Sprintf("%s+0x%x", path.Base(culprit.Module), culprit.Offset)
	}
	f.Text += fmt.Sprintf(": %.0f %% in %s", 100*f.Share, report.ShortName(name, 60))
}
