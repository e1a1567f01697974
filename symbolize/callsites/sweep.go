package callsites

import (
	"debug/elf"
	"slices"

	"memtrace/symbolize/internal/x86"
	"memtrace/symbolize/unwind"
)

// window is how much code is read at a time.
const window = 4 << 20

// sweep decodes all functions.
func (s *search) sweep(extents []unwind.Extent) {
	var f function
	var code []byte
	start, total := uint64(0), uint64(0)
	for _, e := range extents {
		if e.Start < start || e.End > start+uint64(len(code)) {
			if total += uint64(len(code)); total > maxCode {
				s.found.Cut = true
				return
			}
			code, start = s.read(e.Start, code), e.Start
			if e.End-e.Start > uint64(len(code)) {
				s.found.Doubtful++
				code = nil
				continue
			}
		}
		if !f.decode(e, code[e.Start-start:e.End-start]) {
			s.found.Doubtful++
			continue
		}
		s.found.Functions++
		s.take(&f, code[e.Start-start:])
		if len(s.found.Sites) >= maxSites {
			s.found.Cut = true
			return
		}
	}
}

// read reads code from an address on, up to the end of its segment or of the window.
func (s *search) read(addr uint64, buf []byte) []byte {
	r := s.file.At(addr)
	if r == nil {
		return nil
	}
	n := min(uint64(r.Size()), window)
	buf = slices.Grow(buf[:0], int(n))[:n]
	got, _ := r.ReadAt(buf, 0) // what is missing is doubtful
	return buf[:got]
}

// function is the code of one, decoded.
type function struct {
	unwind.Extent
	list []placed
	// begins has a bit for each byte at which an instruction begins, and led those that jumps lead to.
	begins, led []uint64
	// tables: there are jumps that go by a table, which leads to places that are not known.
	tables bool
}

type placed struct {
	x86.Inst
	at uint64
}

// decode decodes a function. It returns false if that is not certain.
func (f *function) decode(e unwind.Extent, code []byte) bool {
	f.Extent, f.list, f.tables = e, f.list[:0], false
	words := len(code)/64 + 1
	f.begins, f.led = cleared(f.begins, words), cleared(f.led, words)
	for pos := 0; pos < len(code); {
		inst, ok := x86.Decode(code[pos:], e.Start+uint64(pos))
		if !ok || inst.Len <= 0 || pos+inst.Len > len(code) {
			return false
		}
		f.list = append(f.list, placed{inst, e.Start + uint64(pos)})
		f.begins[pos/64] |= 1 << (pos % 64)
		f.tables = f.tables || inst.Op == x86.JumpIndirect
		pos += inst.Len
	}
	for i := range f.list {
		in := &f.list[i]
		if in.Op != x86.Jump && in.Op != x86.Branch {
			continue
		}
		if to := in.Target - e.Start; in.Target >= e.Start && in.Target < e.End {
			if f.begins[to/64]>>(to%64)&1 == 0 {
				return false
			}
			f.led[to/64] |= 1 << (to % 64)
		}
	}
	return true
}

func cleared(b []uint64, n int) []uint64 {
	b = slices.Grow(b[:0], n)[:n]
	clear(b)
	return b
}

// take notes the calls of a function. If it only jumps to a wanted one, calls of it are calls of that.
func (s *search) take(f *function, code []byte) {
	var k constants
	passes := ""
	for i := range f.list {
		in := &f.list[i]
		if at := in.at - f.Start; f.tables || f.led[at/64]>>(at%64)&1 == 1 {
			k = constants{} // the code may come here from elsewhere
		}
		next := in.at + uint64(in.Len)
		if name := s.calls(&in.Inst, false); name != "" && next < f.End && len(s.found.Sites) < maxSites {
			if offset, ok := s.offset(next); ok {
				after := code[next-f.Start:]
				site := Site{Return: next, Offset: offset, Code: string(after[:f.list[i+1].Len]), Name: name, Args: k.args()}
				if in.Op == x86.Call && s.passing[in.Target] {
					site.Args = [3]Arg{} // it may call the wanted one with others
				}
				s.found.Sites = append(s.found.Sites, site)
			}
		}
		if name := s.calls(&in.Inst, true); name != "" {
			passes = name
		}
		k.step(&in.Inst)
	}
	if passes != "" && s.own[f.Start] == "" && len(s.own) < maxNamed && !f.returns(s) {
		s.own[f.Start], s.passing[f.Start] = passes, true
	}
}

// returns reports whether a function can end in another way than by jumps to wanted functions.
func (f *function) returns(s *search) bool {
	return slices.ContainsFunc(f.list, func(in placed) bool {
		switch in.Op {
		case x86.Ret:
			return true
		case x86.Jump, x86.JumpIndirect:
			inside := in.Op == x86.Jump && in.Target >= f.Start && in.Target < f.End
			return !inside && s.calls(&in.Inst, true) == ""
		case x86.Branch:
			return in.Target < f.Start || in.Target >= f.End
		}
		return false
	})
}

// offset is where in the file the code at an address is.
func (s *search) offset(addr uint64) (uint64, bool) {
	for i := range s.file.Segments {
		p := &s.file.Segments[i]
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz {
			return addr - p.Vaddr + p.Off, true
		}
	}
	return 0, false
}

// constants are the registers that are known.
type constants struct {
	known uint16
	value [16]uint64
}

func (k *constants) args() (args [3]Arg) {
	for i, r := range []uint8{x86.DI, x86.SI, x86.DX} {
		if k.known>>r&1 == 1 {
			args[i] = Arg{true, k.value[r]}
		}
	}
	return args
}

// step follows an instruction that is not a jump's target.
func (k *constants) step(i *x86.Inst) {
	switch i.Op {
	case x86.Call, x86.CallIndirect, x86.Jump, x86.JumpIndirect, x86.Ret, x86.Trap, x86.Leave, x86.Entry:
		*k = constants{}
		return
	case x86.Add, x86.And, x86.Lea, x86.Move, x86.Load, x86.Pop:
		k.known &^= 1 << (i.Reg & 15)
		if i.Op == x86.Pop && i.Reg == x86.None {
			*k = constants{}
		}
	case x86.LeaCode:
		k.known &^= 1 << (i.Reg & 15)
		if !i.Relative {
			k.known |= 1 << (i.Reg & 15)
			k.value[i.Reg&15] = i.Target
		}
	}
	k.known &^= i.Writes
}
