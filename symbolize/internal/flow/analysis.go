package flow

import (
	"bytes"
	"slices"

	"memtrace/symbolize/internal/x86"
)

// The marks of an address.
const (
	isStart    uint8 = 1 << iota // a function's
	isLeader                     // a jump leads here
	isReached                    // an instruction that a path has come to
	isSeen                       // scratch of findEndless
	isInst                       // an instruction, if all code is decoded in order
	isClosed                     // what is before ends a function, or is padding
	isIndirect                   // an indirect jump whose destinations are not known
)

// analysis is the state of Analyse.
type analysis struct {
	in      *Input
	signals []uint64
	// known are the frames at leaders.
	known map[uint64]*known
	queue []edge // a heap by rank
	// switches are the destinations of jumps by tables. indirect are the frames at other indirect
	// jumps.
	switches map[uint64][]uint64
	indirect map[uint64]Frame
	// endless are the functions that do not return.
	endless map[uint64]bool
	// patience is how many instructions may still be looked at to find such functions.
	patience int
	// work is how many instructions paths may still lead through.
	work int
	// lowest is the rank that new guesses begin with.
	lowest int32
	// pointed are addresses that something refers to.
	pointed []uint64
	m       machine
}

// known is a frame, and the rank of the path that found it.
type known struct {
	Frame
	rank int32
	// met counts how often paths of the same rank disagreed.
	met uint8
}

// mostMeets bounds how often a leader is visited again.
const mostMeets = 8

// mostLeaders bounds the memory that hostile code takes. 16 MB of real code have about a million.
const mostLeaders = 1 << 20

// mostRows does so for rows, of 80 bytes each. 16 MB of real code have 1.2 million. What is behind
// the last one is unknown.
const mostRows = 2 << 20

// mostEdges does so for paths that wait, and workPerByte bounds the time: paths may meet where no
// path is known to go, and hostile code has as many of them as it has bytes.
const (
	mostEdges   = 1 << 20
	workPerByte = 16
)

// Row says that Frame holds from PC on.
type Row struct {
	PC uint64
	Frame
}

// Analyse returns the frames in a part of the code after the other, in order of address. Where
// nothing is known, and behind the end of each part, there is a row with the zero Frame.
func Analyse(in *Input) []Row {
	a := &analysis{
		in: in, known: make(map[uint64]*known), indirect: make(map[uint64]Frame),
		switches: make(map[uint64][]uint64), endless: make(map[uint64]bool),
	}
	for i := range in.Parts {
		in.Parts[i].marks = make([]uint8, len(in.Parts[i].Code))
		a.work += workPerByte * len(in.Parts[i].Code)
	}
	a.sweep()
	a.findEndless()
	for i := range in.Parts {
		p := &in.Parts[i]
		for at, mark := range p.marks {
			if mark&isStart != 0 {
				a.enter(p, p.Start+uint64(at))
			}
		}
	}
	a.drain()
	a.guess()
	return a.rows()
}

func (a *analysis) mark(pc uint64, what uint8) {
	if p := a.in.part(pc); p != nil {
		p.marks[pc-p.Start] |= what
	}
}

func (a *analysis) is(pc uint64, what uint8) bool {
	p := a.in.part(pc)
	return p != nil && p.marks[pc-p.Start]&what != 0
}

// enter begins at a function's start. One that clears rbp first has no caller (psABI, 3.4.1).
func (a *analysis) enter(p *Part, pc uint64) {
	f := entered()
	// Nor has what the kernel starts, if it asks for the arguments: mov %rsp,%rdi.
	f.Outermost = pc == a.in.Entry && bytes.HasPrefix(p.Code[pc-p.Start:], []byte{0x48, 0x89, 0xe7})
	code := bytes.TrimPrefix(p.Code[pc-p.Start:], []byte{0xf3, 0x0f, 0x1e, 0xfa})
	for _, clear := range [][]byte{{0x31, 0xed}, {0x33, 0xed}, {0x48, 0x31, 0xed}} {
		f.Outermost = f.Outermost || bytes.HasPrefix(code, clear)
	}
	a.arrive(edge{pc, f, a.lowest})
}

// arrive takes a path to an address.
func (a *analysis) arrive(e edge) {
	if a.in.part(e.to) == nil {
		return
	}
	k := a.known[e.to]
	switch {
	case k == nil && len(a.known) >= mostLeaders:
		return
	case k == nil:
		a.known[e.to] = &known{Frame: e.frame, rank: e.rank}
		a.leader(e.to)
	case e.rank != k.rank || k.met >= mostMeets:
		return // lower ranks come first
	default:
		m := meet(k.Frame, e.frame)
		if m == k.Frame {
			return
		}
		k.Frame = m
		k.met++
	}
	a.walk(e.to)
}

// drain follows all paths.
func (a *analysis) drain() {
	for len(a.queue) > 0 {
		a.arrive(a.pop())
	}
}

// walk follows the path from a leader to the next one.
func (a *analysis) walk(pc uint64) {
	k := a.known[pc]
	p := a.in.part(pc)
	marks := p.marks
	a.m.load(k.Frame)
	for first := true; ; first = false {
		if a.work--; pc >= p.end() || a.work < 0 {
			return
		}
		mark := &marks[pc-p.Start]
		if !first && *mark&isLeader != 0 {
			if *mark&isStart == 0 {
				a.push(edge{pc, a.m.frame(), k.rank})
			}
			return
		}
		inst, ok := x86.Decode(p.Code[pc-p.Start:], pc)
		if !ok {
			return
		}
		*mark |= isReached
		next := pc + uint64(inst.Len)
		if !a.follow(&inst, p, pc, next, k.rank) {
			return
		}
		pc = next
	}
}

// follow executes an instruction and follows where it leads. It returns false if the path does
// not go on behind it.
func (a *analysis) follow(inst *x86.Inst, p *Part, pc, next uint64, rank int32) bool {
	switch inst.Op {
	case x86.Ret, x86.Trap:
		return false
	case x86.Jump:
		a.jump(inst.Target, rank)
		return false
	case x86.JumpIndirect:
		if to := a.switches[pc]; len(to) > 0 {
			for _, pc := range to {
				a.jump(pc, rank)
			}
			return false
		}
		a.indirect[pc] = a.m.frame()
		p.marks[pc-p.Start] |= isIndirect
		return false
	case x86.Branch:
		a.jump(inst.Target, rank)
		a.m.passed(inst.NotEqual)
		return true
	case x86.Call, x86.CallIndirect:
		if inst.Op == x86.Call && a.endless[inst.Target] {
			return false
		}
		a.m.step(inst)
		return a.returns(p, next, rank)
	}
	a.m.step(inst)
	return true
}

// jump follows a jump inside a function. Jumps to other functions are calls without a frame of
// their own.
func (a *analysis) jump(to uint64, rank int32) {
	if !a.is(to, isStart) {
		a.push(edge{to, a.m.frame(), rank})
	}
}

// returns reports whether the path goes on behind a call.
func (a *analysis) returns(p *Part, next uint64, rank int32) bool {
	switch {
	case a.is(next, isStart):
		return false
	case a.is(next, isLeader):
		a.push(edge{next, a.m.frame(), rank + 1})
		return false
	case a.in.within(next):
		return true
	}
	behind := behindPadding(p, next)
	return behind == next || behind%alignment != 0 || a.is(behind, isLeader) && !a.is(behind, isStart)
}

// rows returns what was found.
func (a *analysis) rows() (rows []Row) {
	leaders := make([]uint64, 0, len(a.known))
	for pc := range a.known {
		leaders = append(leaders, pc)
	}
	slices.Sort(leaders)
	put := func(pc uint64, f Frame) {
		switch n := len(rows); {
		case n == mostRows:
			rows[n-1].Frame = Frame{}
		case n > 0 && rows[n-1].PC == pc:
			rows[n-1].Frame = f
		case n == 0 || rows[n-1].Frame != f:
			rows = append(rows, Row{pc, f})
		}
	}
	covered := uint64(0)
	for _, pc := range leaders {
		if pc < covered {
			continue // in the middle of instructions of another path
		}
		covered = a.describe(pc, put)
		put(covered, Frame{})
	}
	return a.withSignals(rows)
}

// describe puts the rows from a leader up to the end of its path or the next leader, and returns
// where that is.
func (a *analysis) describe(pc uint64, put func(uint64, Frame)) uint64 {
	p := a.in.part(pc)
	a.m.load(a.known[pc].Frame)
	for first := true; pc < p.end(); first = false {
		if !first && a.known[pc] != nil {
			return pc
		}
		inst, ok := x86.Decode(p.Code[pc-p.Start:], pc)
		if !ok {
			return pc
		}
		put(pc, a.m.frame())
		next := pc + uint64(inst.Len)
		switch inst.Op {
		case x86.Ret, x86.Trap, x86.Jump, x86.JumpIndirect:
			return next
		case x86.Branch:
			a.m.passed(inst.NotEqual)
		default:
			if inst.Op == x86.Call && a.endless[inst.Target] {
				return next
			}
			a.m.step(&inst)
		}
		pc = next
		if !a.is(pc, isReached) {
			return pc
		}
	}
	return pc
}

// withSignals puts trampolines of signal handlers, which are in order, in their places. Handlers
// return to the first instruction, which walks look up one byte before.
func (a *analysis) withSignals(rows []Row) []Row {
	if len(a.signals) == 0 {
		return rows
	}
	out := make([]Row, 0, len(rows)+2*len(a.signals))
	var after Frame // of the last row that was passed
	for _, pc := range a.signals {
		start, end := pc-1, pc+uint64(len(sigreturn))
		for ; len(rows) > 0 && rows[0].PC < start; rows = rows[1:] {
			after, out = rows[0].Frame, append(out, rows[0])
		}
		for ; len(rows) > 0 && rows[0].PC <= end; rows = rows[1:] {
			after = rows[0].Frame
		}
		if n := len(out); n > 0 && out[n-1].PC >= start {
			out = out[:n-1] // the end of a trampoline right before
		}
		out = append(out, Row{start, Frame{Signal: true}}, Row{end, after})
	}
	return append(out, rows...)
}
