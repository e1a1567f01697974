package x86

// The general registers by their numbers in instructions.
const (
	AX = iota
	CX
	DX
	BX
	SP
	BP
	SI
	DI
	R8
	R9
	R10
	R11
	None = 255
)

// Op is what an instruction does.
type Op uint8

const (
	// Other: all that the other kinds do not name. Inst.Writes are the registers that it may
	// change.
	Other Op = iota
	Nop
	// Push pushes the register Reg, or something else if that is None, as does a call of what
	// follows, which only reads the instruction pointer. Pop likewise.
	Push
	Pop
	// Add: Reg += Imm.
	Add
	// And: Reg &= something that rounds down, or anything else.
	And
	// Lea: Reg = Base + Imm. LeaCode: Reg = Target, a constant of 32 bits, or an address that is
	// relative to the instruction's own if Relative is set.
	Lea
	LeaCode
	// Move: Reg = Base. Load: Reg = *(Base + Imm). Store: *(Base + Imm) = Reg.
	Move
	Load
	Store
	// Leave: rsp = rbp, then rbp is popped.
	Leave
	// Compare compares Reg with Base, CompareImm some operand with Imm.
	Compare
	CompareImm
	// Call calls the address Target; CallIndirect is any other call. Where that reads the destination
	// from a fixed address, that is Target.
	Call
	CallIndirect
	// Jump goes to the address Target, Branch perhaps. JumpIndirect is any other jump; where it
	// reads the destination from a fixed address, that is Target.
	Jump
	Branch
	JumpIndirect
	Ret
	// Trap: execution does not go on behind it.
	Trap
	// Entry: endbr64, where indirect branches may lead.
	Entry
)

// Inst is an instruction. Operations on registers and memory have their own kinds only with
// 64-bit operands.
type Inst struct {
	Op        Op
	Len       int
	Reg, Base uint8
	Imm       int64
	Target    uint64
	Relative  bool
	// Table says that the instruction reads an element of a table: from the register Base, or
	// from the address Imm if Base is None. It is the size of the elements, 0 for no table.
	Table uint8
	// Above says that a Branch is taken if an unsigned comparison finds a larger value, or one
	// at least as large; NotEqual that it is taken if a comparison finds another value.
	Above, AtLeast, NotEqual bool
	// Writes has a bit for each register that it may change besides those that its kind names.
	Writes uint16
}
