package x86

// operand says what follows an opcode.
type operand uint8

const (
	invalid operand = 1 << iota
	modrm
	imm8
	imm16
	immZ // 2 bytes with an operand size of 16 bits, else 4
	rel8
	rel32
	moffs // an address of 8 bytes
)

// primary and secondary are the operands of the opcodes of one byte, and of two from 0f on.
var primary, secondary = primaryMap(), secondaryMap()

// fill sets the opcodes from first to last.
func fill(m *[256]operand, what operand, first, last int) {
	for i := first; i <= last; i++ {
		m[i] = what
	}
}

func primaryMap() (m [256]operand) {
	for row := 0; row < 0x40; row += 8 {
		fill(&m, modrm, row, row+3)
		m[row+4], m[row+5] = imm8, immZ
		m[row+6], m[row+7] = invalid, invalid
	}
	fill(&m, invalid, 0x60, 0x62)
	m[0x63] = modrm
	m[0x68], m[0x69], m[0x6a], m[0x6b] = immZ, modrm|immZ, imm8, modrm|imm8
	fill(&m, rel8, 0x70, 0x7f)
	m[0x80], m[0x81], m[0x82], m[0x83] = modrm|imm8, modrm|immZ, invalid, modrm|imm8
	fill(&m, modrm, 0x84, 0x8f)
	m[0x9a] = invalid
	fill(&m, moffs, 0xa0, 0xa3)
	m[0xa8], m[0xa9] = imm8, immZ
	fill(&m, imm8, 0xb0, 0xb7)
	fill(&m, immZ, 0xb8, 0xbf)
	m[0xc0], m[0xc1], m[0xc2] = modrm|imm8, modrm|imm8, imm16
	m[0xc6], m[0xc7] = modrm|imm8, modrm|immZ
	m[0xc8], m[0xca], m[0xcd], m[0xce] = imm16|imm8, imm16, imm8, invalid
	fill(&m, modrm, 0xd0, 0xd3)
	fill(&m, invalid, 0xd4, 0xd6)
	fill(&m, modrm, 0xd8, 0xdf)
	fill(&m, rel8, 0xe0, 0xe3)
	fill(&m, imm8, 0xe4, 0xe7)
	m[0xe8], m[0xe9], m[0xea], m[0xeb] = rel32, rel32, invalid, rel8
	m[0xf6], m[0xf7], m[0xfe], m[0xff] = modrm, modrm, modrm, modrm
	return m
}

func secondaryMap() (m [256]operand) {
	fill(&m, modrm, 0x00, 0xff)
	for _, i := range []int{0x04, 0x0a, 0x0c, 0x24, 0x25, 0x26, 0x27, 0x36, 0x39, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x7a, 0x7b} {
		m[i] = invalid
	}
	fill(&m, 0, 0x05, 0x09)
	m[0x0b], m[0x0e], m[0x0f] = 0, 0, modrm|imm8
	fill(&m, 0, 0x30, 0x35)
	m[0x37] = 0
	fill(&m, modrm|imm8, 0x70, 0x73)
	m[0x77] = 0
	fill(&m, rel32, 0x80, 0x8f)
	m[0xa0], m[0xa1], m[0xa2], m[0xa8], m[0xa9], m[0xaa] = 0, 0, 0, 0, 0, 0
	m[0xa4], m[0xac], m[0xba] = modrm|imm8, modrm|imm8, modrm|imm8
	m[0xc2], m[0xc4], m[0xc5], m[0xc6] = modrm|imm8, modrm|imm8, modrm|imm8, modrm|imm8
	fill(&m, 0, 0xc8, 0xcf)
	return m
}

// writesRM reports whether an opcode of the primary map writes the operand of ModR/M that may
// be memory, writesReg whether it writes the other one. extension is the middle field.
func writesRM(opcode, extension uint8) bool {
	switch {
	case opcode < 0x40:
		return opcode&7 < 2 && opcode>>3 != 7 // all but cmp
	case opcode >= 0x80 && opcode <= 0x83:
		return extension != 7
	case opcode >= 0x86 && opcode <= 0x89, opcode == 0x8c, opcode == 0x8f,
		opcode >= 0xc0 && opcode <= 0xc1, opcode >= 0xc6 && opcode <= 0xc7, opcode >= 0xd0 && opcode <= 0xd3:
		return true
	case opcode == 0xf6 || opcode == 0xf7:
		return extension == 2 || extension == 3
	case opcode == 0xfe || opcode == 0xff:
		return extension < 2
	}
	return false
}

func writesReg(opcode uint8) bool {
	switch {
	case opcode < 0x40:
		return opcode&7 >= 2 && opcode&7 < 4 && opcode>>3 != 7
	case opcode == 0x63, opcode == 0x69, opcode == 0x6b, opcode == 0x86, opcode == 0x87,
		opcode == 0x8a, opcode == 0x8b, opcode == 0x8d:
		return true
	}
	return false
}

// writesRM2 and writesReg2 are the same for opcodes from 0f on.
func writesRM2(opcode, extension uint8) bool {
	switch {
	case opcode >= 0x90 && opcode <= 0x9f, opcode == 0x7e, opcode >= 0x20 && opcode <= 0x21, opcode == 0x00, opcode == 0x01,
		opcode == 0xa4, opcode == 0xa5, opcode == 0xab, opcode == 0xac, opcode == 0xad, opcode == 0xae,
		opcode >= 0xb0 && opcode <= 0xb1, opcode == 0xb3, opcode == 0xbb, opcode == 0xc0, opcode == 0xc1, opcode == 0xc7:
		return true
	case opcode == 0xba:
		return extension > 4
	}
	return false
}

func writesReg2(opcode uint8) bool {
	switch {
	case opcode >= 0x40 && opcode <= 0x4f, opcode == 0x02, opcode == 0x03, opcode == 0x2c, opcode == 0x2d, opcode == 0x50,
		opcode == 0xaf, opcode >= 0xb2 && opcode <= 0xb8 && opcode != 0xb3, opcode >= 0xbc && opcode <= 0xbf,
		opcode == 0xc0, opcode == 0xc1, opcode == 0xc5, opcode == 0xd7:
		return true
	}
	return false
}
