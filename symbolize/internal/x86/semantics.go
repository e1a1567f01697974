package x86

// wide reports whether the operands have 64 bits.
func (d *decoder) wide() bool { return d.w == 1 }

// low is the register in the low bits of an opcode.
func (d *decoder) low() uint8 { return d.opcode&7 | d.b<<3 }

// primaryOp says what an opcode of one byte does.
func (d *decoder) primaryOp(inst *Inst) {
	switch o := d.opcode; {
	case o&0xf8 == 0x50:
		d.push(inst, Push, d.low())
	case o&0xf8 == 0x58:
		d.push(inst, Pop, d.low())
	case o == 0x68, o == 0x6a:
		d.push(inst, Push, None)
	case o == 0x8f:
		d.push(inst, Pop, None)
		if d.mod == 3 {
			inst.Reg = d.rm
		}
	case o == 0x9c:
		d.push(inst, Push, None)
	case o == 0x9d:
		d.push(inst, Pop, None)
	case o&0xf0 == 0x70, o >= 0xe0 && o <= 0xe3:
		inst.Op = Branch
		inst.Above, inst.AtLeast, inst.NotEqual = o == 0x77, o == 0x73, o == 0x75
	case o == 0x90 && d.b == 0:
		inst.Op = Nop
	case o == 0xc2, o == 0xc3, o == 0xca, o == 0xcb, o == 0xcf:
		inst.Op = Ret
	case o == 0xc9:
		inst.Op = Leave
	case o == 0xc8:
		inst.Writes = 1<<SP | 1<<BP
	case o == 0xcc, o == 0xf4:
		inst.Op = Trap
	case o == 0xe8 && d.imm == 0:
		inst.Op = Push
	case o == 0xe8:
		inst.Op = Call
	case o == 0xe9, o == 0xeb:
		inst.Op = Jump
	case o == 0xff && d.reg&7 >= 2:
		d.indirect(inst)
	default:
		d.data(inst)
	}
}

// push is for instructions that push or pop. With an operand size of 16 bits, which no compiler
// writes, the stack pointer is lost.
func (d *decoder) push(inst *Inst, op Op, reg uint8) {
	inst.Op, inst.Reg = op, reg
	if d.narrow {
		inst.Op, inst.Reg, inst.Writes = Other, None, 1<<SP
	}
}

// table notes that an element of a table is read.
func (d *decoder) table(inst *Inst, size uint8) {
	if d.scale == size && d.mod != 3 && (d.from == None || d.disp == 0) {
		inst.Table, inst.Base, inst.Imm = size, d.from, d.disp
	}
}

func (d *decoder) indirect(inst *Inst) {
	switch d.reg & 7 {
	case 2, 3:
		inst.Op = CallIndirect
	case 4, 5:
		inst.Op = JumpIndirect
		d.table(inst, 8)
	case 6:
		d.push(inst, Push, None)
		if d.mod == 3 {
			inst.Reg = d.rm
		}
	default:
		d.bad = true
	}
}

// data is for instructions that move or compute.
func (d *decoder) data(inst *Inst) {
	o := d.opcode
	inst.Writes = d.written(o)
	switch {
	case (o == 0x80 || o == 0x81 || o == 0x83) && d.reg&7 == 7, o == 0x3c, o == 0x3d:
		inst.Op, inst.Imm = CompareImm, d.imm
		return
	case o == 0x63:
		d.table(inst, 4) // movslq
	case o == 0x8b && d.wide():
		d.table(inst, 8)
	}
	if !d.wide() {
		if o&0xf8 == 0xb8 && !d.narrow {
			inst.Op, inst.Reg, inst.Target, inst.Writes = LeaCode, d.low(), uint64(uint32(d.imm)), 0
		}
		return
	}
	register := d.mod == 3
	switch {
	case (o == 0x81 || o == 0x83) && register && (d.reg&7 == 0 || d.reg&7 == 5):
		inst.Op, inst.Reg, inst.Imm = Add, d.rm, d.imm
		if d.reg&7 == 5 {
			inst.Imm = -d.imm
		}
	case (o == 0x81 || o == 0x83) && register && d.reg&7 == 4:
		inst.Op, inst.Reg = And, d.rm
	case o == 0x89 && register:
		inst.Op, inst.Reg, inst.Base = Move, d.rm, d.reg
	case o == 0x8b && register:
		inst.Op, inst.Reg, inst.Base = Move, d.reg, d.rm
	case o == 0x39 && register:
		inst.Op, inst.Reg, inst.Base = Compare, d.rm, d.reg
	case o == 0x3b && register:
		inst.Op, inst.Reg, inst.Base = Compare, d.reg, d.rm
	case o == 0x89 && d.base != None:
		inst.Op, inst.Reg, inst.Base, inst.Imm = Store, d.reg, d.base, d.disp
	case o == 0x8b && d.base != None:
		inst.Op, inst.Reg, inst.Base, inst.Imm = Load, d.reg, d.base, d.disp
	case o == 0xc7 && register:
		inst.Op, inst.Reg, inst.Target = LeaCode, d.rm, uint64(d.imm)
	case o == 0x8d && d.rip:
		inst.Op, inst.Reg, inst.Relative = LeaCode, d.reg, true
	case o == 0x8d && d.base != None:
		inst.Op, inst.Reg, inst.Base, inst.Imm = Lea, d.reg, d.base, d.disp
	default:
		return
	}
	inst.Writes = 0
}

// written returns the registers that an opcode of one byte writes.
func (d *decoder) written(o uint8) (mask uint16) {
	if o < 0x40 && o&7 >= 4 && o>>3 != 7 || o == 0xa8 || o == 0xa9 {
		return 1 << AX
	}
	if primary[o]&modrm != 0 {
		bytes := o < 0x40 && o&1 == 0 || o == 0x80 || o == 0x86 || o == 0x88 || o == 0x8a || o == 0xc0 ||
			o == 0xc6 || o == 0xd0 || o == 0xd2 || o == 0xf6 || o == 0xfe
		if d.mod == 3 && writesRM(o, d.reg&7) {
			mask |= d.bit(d.rm, bytes)
		}
		if writesReg(o) {
			mask |= d.bit(d.reg, bytes)
		}
	}
	switch {
	case o&0xf0 == 0xb0:
		mask |= d.bit(d.low(), o < 0xb8)
	case o&0xf8 == 0x90:
		mask |= 1<<AX | 1<<d.low()
	case (o == 0xf6 || o == 0xf7) && d.reg&7 >= 4:
		mask |= 1<<AX | 1<<DX
	case o == 0x98, o == 0x99, o >= 0xa0 && o <= 0xa1:
		mask |= 1<<AX | 1<<DX
	case o >= 0xa4 && o <= 0xaf && o != 0xa8 && o != 0xa9:
		mask |= 1<<AX | 1<<CX | 1<<SI | 1<<DI
	}
	return mask
}

// bit returns the mask of a register. Of those of 8 bits, four are second bytes of others unless
// there is a REX prefix: ah, ch, dh and bh.
func (d *decoder) bit(reg uint8, bytes bool) uint16 {
	if bytes && reg >= 4 && reg < 8 && !d.hasREX() {
		reg -= 4
	}
	return 1 << reg
}

// hasREX reports whether the byte before the opcode is a REX prefix.
func (d *decoder) hasREX() bool {
	for i := range d.pos {
		if !isPrefix(d.code[i]) {
			return d.code[i]&0xf0 == 0x40
		}
	}
	return false
}

// secondaryOp says what an opcode of two bytes does.
func (d *decoder) secondaryOp(inst *Inst) {
	o := d.opcode
	if secondary[o]&invalid != 0 {
		d.bad = true
		return
	}
	switch {
	case o&0xf0 == 0x80:
		inst.Op = Branch
		inst.Above, inst.AtLeast, inst.NotEqual = o == 0x87, o == 0x83, o == 0x85
		return
	case o == 0x0b, o == 0xb9, o == 0xff:
		inst.Op = Trap
		return
	case o == 0x1e && d.repeat && d.mod == 3 && d.reg == 7 && d.rm == 2:
		inst.Op = Entry
		return
	case o == 0x1f:
		inst.Op = Nop
		return
	case o == 0xa0, o == 0xa8:
		d.push(inst, Push, None)
		return
	case o == 0xa1, o == 0xa9:
		d.push(inst, Pop, None)
		return
	case o == 0x05:
		inst.Writes = 1<<AX | 1<<CX | 1<<R11
	case o == 0xa2, o == 0x31, o == 0x32:
		inst.Writes = 1<<AX | 1<<BX | 1<<CX | 1<<DX
	case o == 0x01:
		inst.Writes = 1<<AX | 1<<CX | 1<<DX
	case o&0xf8 == 0xc8:
		inst.Writes = 1 << d.low()
	case o == 0xb0, o == 0xb1, o == 0xc7:
		inst.Writes = 1<<AX | 1<<DX
	}
	if secondary[o]&modrm == 0 {
		return
	}
	bytes := o&0xf0 == 0x90 || o == 0xb0 || o == 0xc0
	if d.mod == 3 && writesRM2(o, d.reg&7) && !(o == 0x7e && d.repeat) {
		inst.Writes |= d.bit(d.rm, bytes)
	}
	if writesReg2(o) {
		inst.Writes |= d.bit(d.reg, bytes)
	}
}
