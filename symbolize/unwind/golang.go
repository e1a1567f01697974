package unwind

import (
	"memtrace/symbolize/elffile"
	"memtrace/symbolize/gotable"
	"memtrace/symbolize/internal/flow"
)

// Go's compiler writes no .eh_frame. But every Go program has a table with the size of the frame
// at each instruction (package gotable), and its functions save rbp in the word below the return
// address. Where the runtime changes stacks, see stackswitch.go.

// golang is the Go part of a file.
type golang struct {
	functions *gotable.Table
	file      *elffile.File
	// window is a piece of the text, which starts at address. The functions are looked at in
	// order. reads is how many pieces were read.
	window  []byte
	address uint64
	reads   int
	// current is the call of systemstack: it tells where the thread's goroutine is.
	current stackCall
}

// readGolang returns nil for a file that is not a Go program.
func readGolang(file *elffile.File, budget *elffile.Budget) *golang {
	functions, err := gotable.Open(file, budget)
	if err != nil {
		return nil
	}
	return &golang{functions: functions, file: file}
}

// code returns the instructions of start..end, at most maxSwitch bytes, or nothing if they cannot
// be read. They are valid until the next call.
func (g *golang) code(start, end uint64) []byte {
	if end <= start || end-start > maxSwitch {
		return nil
	}
	if start < g.address || end-g.address > uint64(len(g.window)) {
		g.read(start)
	}
	if start < g.address || end-g.address > uint64(len(g.window)) {
		return nil
	}
	return g.window[start-g.address : end-g.address]
}

func (g *golang) read(address uint64) {
	g.window = g.window[:0]
	if g.reads++; g.reads > maxWindows {
		return
	}
	r := g.file.At(address)
	if r == nil {
		return
	}
	g.address = address
	g.window = append(g.window, make([]byte, min(windowBytes, r.Size()))...)
	n, _ := r.ReadAt(g.window, 0)
	g.window = g.window[:n]
}

// collectGolang appends the rows of all Go functions.
func (b *builder) collectGolang(g *golang) {
	calls := g.stackCalls()
	for i := range g.functions.Len() {
		f, ok := g.functions.Func(i)
		if !ok || !b.executable(f.Start, f.End) {
			b.stats.Unsupported[ReasonOutside]++
			continue
		}
		if len(b.spans) >= maxFDEs || len(b.rows) >= maxRows {
			b.stats.Unsupported[ReasonTruncated]++
			return
		}
		first := len(b.rows)
		if g.returnsFromSignal(f) && b.executable(f.Start-1, f.End) {
			// The handler's return address is the function's own, and is looked up one less.
			f.Start--
			b.append(f.Start, b.indexOfRule(Rule{CFA: CFASignal}))
		} else if f.Outermost() {
			b.append(f.Start, b.indexOfRule(Rule{CFA: CFAEnd}))
		} else if !b.runFrames(g, f, calls[f.Start]) {
			continue
		}
		b.span(f.Start, f.End, first)
	}
}

// runFrames appends the rows of one function; on other stacks the calls hold. It returns false
// for a function without a table of frame sizes, which is not of Go.
func (b *builder) runFrames(g *golang, f gotable.Func, calls []stackCall) bool {
	end, saved := f.Start, uint64(0)
	for r := range f.Frames() {
		if len(b.rows) >= maxRows {
			b.stats.Unsupported[ReasonTruncated]++
			break
		}
		if saved == 0 && r.Value > 0 {
			saved = g.savesRBP(f, r)
		}
		if saved > r.Start && saved < r.End {
			b.append(r.Start, b.indexOfRule(frameRule(r.Value, false)))
			r.Start = saved
		}
		rule := frameRule(r.Value, saved != 0 && r.Start >= saved)
		b.append(r.Start, b.indexOfRule(rule))
		for len(calls) > 0 && calls[0].end < r.End {
			if special, ok := b.ruleDuring(g, &calls[0], rule); ok && calls[0].start > r.Start {
				b.append(calls[0].start, b.indexOfRule(special))
				b.append(calls[0].end, b.indexOfRule(rule))
			}
			calls = calls[1:]
		}
		end = r.End
	}
	if end > f.Start && end < f.End {
		b.append(end, 0)
	}
	return end > f.Start
}

// returnsFromSignal reports whether a function is where signal handlers return to. The ucontext is
// at the top of the stack then, as it is in glibc's __restore_rt.
func (g *golang) returnsFromSignal(f gotable.Func) bool {
	return f.End-f.Start < 64 && flow.ReturnsFromSignal(g.code(f.Start, f.End))
}

// frameRule returns the rule of code whose stack pointer is size bytes below the return address.
func frameRule(size int32, saved bool) Rule {
	if size < 0 || size > maxGoFrame {
		return Rule{}
	}
	r := Rule{CFA: CFARSP, CFAOffset: size + 8}
	if saved && size > 0 {
		r.RBP, r.RBPOffset = RBPAtCFA, -16
	}
	return r
}

// savesRBP returns from which address on rbp is saved below the return address in a function
// whose first frame is r, 0 if it is not. Until Go 1.20 functions made room first and then
// stored rbp; since then they push it.
func (g *golang) savesRBP(f gotable.Func, r gotable.Range) uint64 {
	const push, longest = 0x55, 8 // mov %rbp,disp32(%rsp) has 8 bytes
	if before := g.code(r.Start-1, r.Start); r.Value == 8 && len(before) == 1 && before[0] == push {
		return r.Start
	}
	code := g.code(r.Start, min(r.Start+longest, f.End))
	c := cursor{data: code}
	switch {
	case len(code) >= 5 && string(code[:4]) == "\x48\x89\x6c\x24":
		c.skip(4)
		if int32(int8(c.u8())) == r.Value-8 {
			return r.Start + 5
		}
	case len(code) >= 8 && string(code[:4]) == "\x48\x89\xac\x24":
		c.skip(4)
		if int32(c.u32()) == r.Value-8 {
			return r.Start + 8
		}
	}
	return 0
}
