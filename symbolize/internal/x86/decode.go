package x86

import "encoding/binary"

// decoder is an instruction in parts.
type decoder struct {
	code []byte
	pos  int
	bad  bool

	narrow, repeat bool  // prefixes 66, f3
	segment        bool  // fs or gs
	w, r, x, b     uint8 // 0 or 1, from REX, VEX or EVEX
	opcode         uint8
	mod, reg, rm   uint8 // of ModR/M, with the bits of the prefix
	rip            bool  // memory relative to the next instruction
	scale          uint8 // of an index register, 0 if there is none
	from           uint8 // the register that an index is added to, or None
	base           uint8 // of memory, None if it is not a register and a displacement alone
	disp, imm      int64
	vvvv           uint8
}

const maxLength = 15

// Decode decodes the first instruction of code, which is at address pc. ok is false if there is
// none.
func Decode(code []byte, pc uint64) (inst Inst, ok bool) {
	d := decoder{code: code[:min(len(code), maxLength)], base: None, from: None}
	inst.Reg, inst.Base = None, None
	switch b := d.prefixes(); b {
	case 0x0f:
		d.escaped(&inst)
	case 0xc4, 0xc5, 0x62:
		d.vex(&inst, b)
	default:
		d.opcode = b
		d.operands(primary[b])
		if b&0xfe == 0xf6 && d.reg&7 < 2 {
			d.operands([2]operand{imm8, immZ}[b&1]) // test
		}
		if primary[b]&invalid != 0 {
			d.bad = true
		}
		d.primaryOp(&inst)
	}
	inst.Len = d.pos
	switch inst.Op {
	case Call, Jump, Branch:
		inst.Target = pc + uint64(d.pos) + uint64(d.imm)
	case JumpIndirect, CallIndirect:
		if d.rip {
			inst.Target = pc + uint64(d.pos) + uint64(d.disp)
		}
	case LeaCode:
		if d.rip {
			inst.Target = pc + uint64(d.pos) + uint64(d.disp)
		}
	}
	return inst, !d.bad
}

func (d *decoder) next() uint8 {
	if d.pos >= len(d.code) {
		d.bad = true
		return 0
	}
	d.pos++
	return d.code[d.pos-1]
}

func (d *decoder) signed(n int) int64 {
	if d.pos+n > len(d.code) {
		d.bad = true
		return 0
	}
	raw := d.code[d.pos:]
	d.pos += n
	switch n {
	case 1:
		return int64(int8(raw[0]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(raw)))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(raw)))
	}
	return int64(binary.LittleEndian.Uint64(raw))
}

// prefixes reads up to and including the first byte that is no prefix, which it returns.
func (d *decoder) prefixes() uint8 {
	for {
		b := d.next()
		switch {
		case d.bad:
			return 0
		case b == 0x66:
			d.narrow = true
		case b == 0xf3:
			d.repeat = true
		case b == 0x64, b == 0x65:
			d.segment = true
		case b == 0x26, b == 0x2e, b == 0x36, b == 0x3e, b == 0x67, b == 0xf0, b == 0xf2:
		case b&0xf0 == 0x40:
			// REX counts only right before the opcode.
			d.w, d.r, d.x, d.b = b>>3&1, b>>2&1, b>>1&1, b&1
			if o := d.next(); o&0xf0 != 0x40 && !isPrefix(o) {
				return o
			}
			d.pos--
			d.w, d.r, d.x, d.b = 0, 0, 0, 0
		default:
			return b
		}
	}
}

func isPrefix(b uint8) bool {
	return b&0xe7 == 0x26 || b >= 0x64 && b <= 0x67 || b == 0xf0 || b == 0xf2 || b == 0xf3
}

// operands reads what follows the opcode.
func (d *decoder) operands(what operand) {
	if what&modrm != 0 {
		d.modrm()
	}
	z := 4
	if d.narrow && d.w == 0 {
		z = 2
	}
	for _, part := range []struct {
		kind operand
		size int
	}{{imm16, 2}, {imm8, 1}, {immZ, z}, {rel8, 1}, {rel32, 4}, {moffs, 8}} {
		if what&part.kind == 0 {
			continue
		}
		if part.kind == immZ && d.opcode&0xf8 == 0xb8 && d.w == 1 && what == immZ {
			part.size = 8 // mov reg, imm64
		}
		d.imm = d.signed(part.size)
	}
}

func (d *decoder) modrm() {
	b := d.next()
	d.mod, d.reg, d.rm = b>>6, b>>3&7|d.r<<3, b&7
	if d.mod == 3 {
		d.rm |= d.b << 3
		return
	}
	size := [3]int{0, 1, 4}[d.mod]
	switch {
	case d.rm == 4:
		sib := d.next()
		d.base = sib&7 | d.b<<3
		if sib>>3&7 != 4 || d.x != 0 {
			d.from, d.base = d.base, None
			d.scale = 1 << (sib >> 6)
		}
		if sib&7 == 5 && d.mod == 0 {
			d.from, d.base, size = None, None, 4
		}
	case d.rm == 5 && d.mod == 0:
		d.rip, size = true, 4
	default:
		d.base = d.rm | d.b<<3
	}
	if size > 0 {
		d.disp = d.signed(size)
	}
	if d.segment {
		d.base = None
	}
}

// escaped decodes an opcode of two or three bytes.
func (d *decoder) escaped(inst *Inst) {
	d.opcode = d.next()
	switch d.opcode {
	case 0x38:
		d.opcode = d.next()
		d.modrm()
		if d.opcode >= 0xf0 {
			inst.Writes = 1 << d.reg // movbe, crc32, adcx, adox
		}
		return
	case 0x3a:
		d.next()
		d.operands(modrm | imm8)
		if d.mod == 3 {
			inst.Writes = 1 << d.rm // pextr
		}
		return
	}
	d.operands(secondary[d.opcode])
	d.secondaryOp(inst)
}

// vex decodes an instruction with a prefix VEX or EVEX. Few of them write general registers.
func (d *decoder) vex(inst *Inst, prefix uint8) {
	table := uint8(1)
	p0 := d.next()
	d.r = ^p0 >> 7
	switch prefix {
	case 0xc5:
		d.vvvv = ^p0 >> 3 & 15
	case 0xc4:
		table = p0 & 31
		d.x, d.b = ^p0>>6&1, ^p0>>5&1
		d.vvvv = ^d.next() >> 3 & 15
	default:
		table = p0 & 7
		d.x, d.b = ^p0>>6&1, ^p0>>5&1
		d.vvvv = ^d.next() >> 3 & 15
		d.next()
	}
	d.opcode = d.next()
	switch table {
	case 1:
		if d.opcode == 0x77 && prefix != 0x62 {
			return // vzeroupper has no operands
		}
		d.operands(modrm | secondary[d.opcode]&imm8)
		if writesReg2(d.opcode) && (d.opcode < 0x40 || d.opcode >= 0x50) && d.opcode != 0xc2 || d.opcode == 0x93 {
			inst.Writes |= 1 << d.reg
		}
		if d.opcode == 0x7e && d.mod == 3 {
			inst.Writes |= 1 << d.rm
		}
	case 2:
		d.operands(modrm)
		if d.opcode >= 0xf0 {
			inst.Writes = 1<<d.reg | 1<<d.vvvv // bmi: andn, blsr, shlx, mulx ...
		}
	case 3:
		d.operands(modrm | imm8)
		if d.mod == 3 && d.opcode >= 0x14 && d.opcode <= 0x17 {
			inst.Writes = 1 << d.rm
		}
		if d.opcode == 0xf0 {
			inst.Writes = 1 << d.reg // rorx
		}
	case 5, 6:
		d.operands(modrm)
	default:
		d.bad = true
	}
}
