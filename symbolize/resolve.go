package symbolize

// Frame is one level of the calls in progress at an address.
type Frame struct {
	// Address is the address that was resolved.
	Address uint64
	// Function is the demangled name without parameters, or empty if unknown.
	Function string
	// Module is the path of the mapped file in the target's mount namespace, or the name of
	// another kind of mapping: "[vdso]", or "[anon]" for anonymous memory. It is empty where
	// nothing is mapped.
	Module string
	// Offset is Address less the module's load bias, the address that addr2line and objdump
	// use. If the bias is unknown it is the offset in the file, and outside of files it is
	// Address.
	Offset uint64
	// File and Line are the place in the source. File is empty if unknown; Line is 0 for code
	// that belongs to no line.
	File string
	Line int
	// Inline is set for a call that was inlined into the next frame.
	Inline bool
}

const anonymousName = "[anon]"

// Resolve returns the calls in progress at an address: the innermost inlined call first, and
// last the function that contains the code. There is at least one frame. A return address
// points behind its call, possibly to another line or the start of another function, so
// Resolve looks up the byte before it.
func (p *Process) Resolve(addr uint64, returnAddress bool) []Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	pc := addr
	if returnAddress && pc > 0 {
		pc--
	}
	return p.resolve(p.regionOf(pc), addr, pc)
}

// resolve returns the frames of an address in a region, which may be nil. pc is what is looked
// up.
func (p *Process) resolve(r *region, addr, pc uint64) []Frame {
	bare := Frame{Address: addr, Offset: addr}
	if r == nil {
		return []Frame{bare}
	}
	bare.Module = limitName(r.name())
	if bare.Module == "" {
		bare.Module = anonymousName
	}
	fileOffset := pc - r.start + r.offset
	if r.module != nil {
		bare.Offset = fileOffset + (addr - pc)
	}
	if r.module == nil || !r.module.isELF(p) {
		bare.Function = p.perf.lookup(p, pc)
		return []Frame{bare}
	}
	vaddr, ok := r.module.elf.Vaddr(fileOffset)
	if !ok {
		return []Frame{bare}
	}
	bare.Offset = vaddr + (addr - pc)
	if p.leavesOut(r.module) {
		return []Frame{bare}
	}
	known := r.module.lookup(p, vaddr)
	frames := make([]Frame, len(known))
	for i, k := range known {
		frames[i] = bare
		frames[i].Function, frames[i].File, frames[i].Line, frames[i].Inline = k.function, k.file, k.line, k.inline
	}
	return frames
}
