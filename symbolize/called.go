package symbolize

import (
	"debug/elf"
	"io"

	"memtrace/symbolize/internal/x86"
)

// The shortest and the longest call instruction of x86-64, without prefixes.
const shortestCall, longestCall = 2, 7

// Called reports whether a call ends where a return address points to, in the code with an ID.
// known is false where that code is not in a file, cannot be read or is no x86-64 code.
//
// What lies on top of a coroutine's stack is often no return address of a call, but one that the
// coroutine's maker has put there: where to go on when its function returns.
func (p *Process) Called(id, returnAddress uint64) (called, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pc := max(returnAddress, 1) - 1
	r := p.codeAt(id, pc)
	if r == nil || r.module == nil || !r.module.isELF(p) || r.module.elf.Machine != elf.EM_X86_64 {
		return false, false
	}
	vaddr, ok := r.module.elf.Vaddr(pc - r.start + r.offset)
	if !ok {
		return false, false
	}
	code := make([]byte, min(longestCall, vaddr+1))
	contents := r.module.elf.At(vaddr + 1 - uint64(len(code)))
	if contents == nil {
		return false, false
	}
	if _, err := io.ReadFull(contents, code); err != nil {
		return false, false
	}
	return endsInCall(code), true
}

func endsInCall(code []byte) bool {
	for n := shortestCall; n <= len(code); n++ {
		inst, ok := x86.Decode(code[len(code)-n:], 0)
		if ok && inst.Len == n && (inst.Op == x86.Call || inst.Op == x86.CallIndirect) {
			return true
		}
	}
	return false
}
