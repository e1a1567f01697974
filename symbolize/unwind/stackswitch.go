package unwind

import (
	"golang.org/x/arch/x86/x86asm"

	"memtrace/symbolize/gotable"
)

// Go's runtime changes stacks: to that of the thread to call C and for work of its own, and to
// that of a goroutine where C calls Go. Frame sizes do not lead across. But the code behind the
// call that was made on the other stack goes back, and how it finds the stack pointer is the
// rule. It is read out of the instructions, because offsets differ by version of Go and by kind
// of program.

// stackCall is a call that one of the runtime's functions makes on another stack.
type stackCall struct {
	start, end uint64 // where the stack is the other one: from the call on
	after      uint64 // the instruction behind the call
	function   string
	back       place // where the stack pointer is loaded from behind the call
}

// These functions are told by name: the first says where the thread's goroutine is, the others do
// not come back.
const (
	systemStack = "runtime.systemstack"
	moreStack   = "runtime.morestack"
	mCall       = "runtime.mcall"
)

// stackCalls returns the calls on other stacks, by the start of the function.
func (g *golang) stackCalls() map[uint64][]stackCall {
	calls := make(map[uint64][]stackCall)
	left := uint64(maxSwitches * maxSwitch) // bytes of code
	for i := range g.functions.Len() {
		f, ok := g.functions.Func(i)
		if !ok || !f.SetsStack() {
			continue
		}
		size := min(f.End-f.Start, maxSwitch)
		if size > left {
			break
		}
		left -= size
		found := findCalls(f, g.code(f.Start, f.End))
		if len(found) > 0 {
			calls[f.Start] = found
		}
		if len(found) > 0 && f.Name() == systemStack {
			g.current = found[0]
		}
	}
	return calls
}

// findCalls returns the calls of a function on another stack.
func findCalls(f gotable.Func, code []byte) (calls []stackCall) {
	name, loaded := f.Name(), false
	for at := 0; at < len(code); {
		inst, err := x86asm.Decode(code[at:], 64)
		if err != nil || inst.Len == 0 {
			return calls
		}
		end := at + inst.Len
		switch {
		case inst.Op == x86asm.MOV && inst.Args[0] == x86asm.RSP:
			loaded = true
		case inst.Op == x86asm.CALL:
			back, length := returnPlace(code[end:])
			if back.known() || loaded && (name == mCall || name == moreStack) {
				calls = append(calls, stackCall{f.Start + uint64(at), f.Start + uint64(end+length), f.Start + uint64(end), name, back})
			}
			loaded = false
		}
		at = end
	}
	return calls
}

// ruleDuring returns the rule that holds during a call. frame is the one that would hold on the
// function's own stack: it says how large its frame there is.
func (b *builder) ruleDuring(g *golang, c *stackCall, frame Rule) (Rule, bool) {
	from := c
	switch c.function {
	case mCall:
		// What runs there is the scheduler. The goroutine may be elsewhere by now.
		return Rule{CFA: CFAEnd}, true
	case moreStack:
		from, frame = &g.current, Rule{CFA: CFARSP}
	}
	r, ok := from.back.rule(frame)
	if ok && from.back.linked {
		slot := from.back.number + int64(from.after-c.after)
		r.RBP = RBPUndefined
		r.RBPOffset = int16(b.indexOfRule(Rule{CFA: CFAGoSlot, CFAOffset: int32(slot)}))
		ok = fitsInt32(slot) && r.RBPOffset != 0
	}
	return r, ok
}
