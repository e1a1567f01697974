package symbolize

// Frame is one level of the calls that are in progress at an address.
type Frame struct {
	// Address is the address that was asked about.
	Address uint64
	// Function is the demangled name without parameters, empty if not known.
	Function string
	// Module is the path of the mapped file in the target's mount namespace,
	// or the name of another kind of mapping: "[vdso]", "[anon]" for anonymous
	// memory. It is empty where nothing is mapped.
	Module string
	// Offset is Address less the module's load bias, the address that
	// addr2line and objdump use for it. Where the bias is not known it is the
	// offset in the file, and outside of files it is Address.
	Offset uint64
	// File and Line are where this level stands in the source: empty if not
	// known, line 0 for code that no line accounts for.
	File string
	Line int
	// Inline is set for a call that was inlined into the frame behind it.
	Inline bool
}

const anonymousName = "[anon]"

// Resolve returns the calls in progress at an address, the innermost inlined
// one first and the function that the code is in last; it returns at least one
// frame. A return address points behind its call, which may be another line or
// another function's start: what is looked up for it is the byte before.
func (p *Process) Resolve(addr uint64, returnAddress bool) []Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	bare := Frame{Address: addr, Offset: addr}
	pc := addr
	if returnAddress && pc > 0 {
		pc--
	}
	r := p.regionOf(pc)
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
	known := r.module.lookup(p, vaddr)
	frames := make([]Frame, len(known))
	for i, k := range known {
		frames[i] = bare
		frames[i].Function, frames[i].File, frames[i].Line, frames[i].Inline = k.function, k.file, k.line, k.inline
	}
	return frames
}
