package unwind

import (
	"fmt"
	"math"
	"math/bits"
)

// CFAKind says how a Rule finds the canonical frame address (CFA). The values are part of the
// contract with struct unwind_rule in bpf/tables.h. Values from 32 on are left to other
// architectures.
type CFAKind uint8

// In the comments, off is Rule.CFAOffset, and hi and lo are its two halves as Rule.Halves
// returns them. Unless stated otherwise, the return address is at CFA-8 and the caller's rsp
// is the CFA.
const (
	// CFAUnknown: no rule covers the address, or the rule cannot be expressed here. The walk
	// cannot continue by table.
	CFAUnknown CFAKind = 0
	// CFAEnd: the return address is undefined; this is the outermost frame.
	CFAEnd CFAKind = 1
	// CFARSP: CFA = rsp + off.
	CFARSP CFAKind = 2
	// CFARBP: CFA = rbp + off.
	CFARBP CFAKind = 3
	// CFARegister: CFA = value of DWARF register lo + hi, where lo is 0..15 and neither rbp
	// nor rsp. Only the innermost frame knows such a register.
	CFARegister CFAKind = 4
	// CFAPLT: CFA = rsp + hi + ((rip & 15) >= lo ? 8 : 0), the expression that linkers write
	// for the entries of a lazy PLT.
	CFAPLT CFAKind = 5
	// CFADerefRBP: CFA = *(rbp + hi) + lo, in functions that realign the stack.
	CFADerefRBP CFAKind = 6
	// CFADerefRSP: CFA = *(rsp + hi) + lo, in hand-written assembly.
	CFADerefRSP CFAKind = 7
	// CFASignal: the return trampoline of a signal handler. A struct ucontext is at rsp + off.
	// It holds the interrupted frame's registers: rbp at +120, rsp at +160, rip at +168
	// (offsets of uc_mcontext.gregs, see SignalRBP and the following). That rip is an exact
	// address, not a return address. There is no CFA, and the RBP fields are zero.
	CFASignal CFAKind = 8
	// CFARARegister: CFA = rsp + hi, and the return address is in DWARF register lo, as in
	// glibc's vfork and some of its hand-written string functions. Only the innermost frame
	// knows that register.
	CFARARegister CFAKind = 9
	// CFARun: several rules that follow one another from the row's address on, see runRule.
	// The search resolves it, so Lookup never returns it.
	CFARun CFAKind = 10
	// CFAGoC: C that a goroutine has called runs on the thread's own stack. The goroutine's
	// descriptor g is at rsp + w0, and its stack pointer is *(g + w2) - *(rsp + w1), where w0 to
	// w3 are CFAOffset's bytes, from the lowest on, times 8. CFA = that + w3.
	CFAGoC CFAKind = 11
	// CFAGoSwitch: the thread has left another stack, whose stack pointer is
	// *(*(*(g + w0) + w1) + w2), where *(g + w0) describes the thread. CFA = that + w3, or if w3
	// is 0 the stack pointer is the caller's, and the return address is the next word behind
	// where it was loaded from. g is any goroutine's descriptor of this thread: the last that
	// CFAGoC has met, or else *(fs + RBPOffset), or where RBP is RBPUndefined, *(fs + slot), and
	// RBPOffset is the index of a rule of the kind CFAGoSlot. The caller's rbp is at CFA-16 if
	// w3 is more than 8, else lost. w1 is 0 where Go was called by C: calls may be nested then,
	// and the word at the stack pointer is that of the call around this one.
	CFAGoSwitch CFAKind = 12
	// CFAGoSlot: no rule of a row, but a part of CFAGoSwitch. The slot is at rip + off, where
	// rip is the return address.
	CFAGoSlot CFAKind = 13
)

// These are the offsets of the interrupted registers from a struct ucontext of x86-64. They
// come from the kernel's arch/x86/include/uapi/asm/{ucontext,sigcontext}.h.
const (
	SignalRBP = 120
	SignalRSP = 160
	SignalRIP = 168
)

// RBPKind says how a Rule finds the caller's rbp. The values are part of the
// contract with struct unwind_rule in bpf/tables.h.
type RBPKind uint8

const (
	// RBPSame: the caller's rbp is still in rbp.
	RBPSame RBPKind = 0
	// RBPAtCFA: the caller's rbp was saved at CFA + RBPOffset.
	RBPAtCFA RBPKind = 1
	// RBPUndefined: the caller's rbp is lost, or this Rule cannot express where it is. The
	// walk may continue, but must end at a frame whose rule reads rbp.
	RBPUndefined RBPKind = 2
	// RBPExpression: the caller's rbp was saved at rbp + RBPOffset, with the rbp of this
	// frame.
	RBPExpression RBPKind = 3
)

// Rule says how to get from a frame to its caller. It has 8 bytes without padding, laid out as
// struct unwind_rule in bpf/tables.h. The zero value means CFAUnknown. Equal meanings have
// equal values: unused fields are zero.
type Rule struct {
	CFA       CFAKind
	RBP       RBPKind
	RBPOffset int16 // bytes, for RBPAtCFA and RBPExpression
	CFAOffset int32 // bytes, or two halves: see CFAKind
}

// Halves returns the two values that the kinds CFARegister, CFAPLT, CFADerefRBP, CFADerefRSP
// and CFARARegister keep in CFAOffset. hi, the upper 16 bits, is an offset in bytes; the
// meaning of lo, the lower 16 bits, depends on the kind.
func (r Rule) Halves() (hi, lo int16) {
	return int16(r.CFAOffset >> 16), int16(r.CFAOffset)
}

// words returns the four offsets that the kinds CFAGoC and CFAGoSwitch keep in CFAOffset.
func (r Rule) words() (w [4]int) {
	for i := range w {
		w[i] = 8 * int(uint8(r.CFAOffset>>(8*i)))
	}
	return w
}

// runRule returns a rule of the kind CFARun. The rules it stands for are in the dictionary
// from index first on. Bit i of the mask is set if the next of them starts i+1 bytes after the
// row.
func runRule(first uint16, mask uint32) Rule {
	return Rule{CFA: CFARun, RBPOffset: int16(first), CFAOffset: int32(mask)}
}

// at returns the index of the rule that a run has distance bytes after its row.
func (r Rule) at(distance uint32) uint16 {
	passed := uint32(r.CFAOffset) & (1<<distance - 1) // from 32 on, all bits
	return uint16(r.RBPOffset) + uint16(bits.OnesCount32(passed))
}

// halvesRule returns the rule of that kind with hi and lo in CFAOffset. ok is false if either
// needs more than 16 bits.
func halvesRule(kind CFAKind, hi, lo int64) (r Rule, ok bool) {
	if !fitsInt16(hi) || !fitsInt16(lo) {
		return Rule{}, false
	}
	return Rule{CFA: kind, CFAOffset: int32(hi)<<16 | int32(uint16(lo))}, true
}

func fitsInt16(v int64) bool { return v == int64(int16(v)) }

func fitsInt32(v int64) bool { return v >= math.MinInt32 && v <= math.MaxInt32 }

// String returns the rule in the notation of its kinds' comments, such as
// "cfa=rsp+16 rbp=*(cfa-16)".
func (r Rule) String() string {
	hi, lo := r.Halves()
	var cfa string
	switch r.CFA {
	case CFAUnknown:
		return "unknown"
	case CFAEnd:
		return "end"
	case CFASignal:
		return fmt.Sprintf("signal(rsp%+d)", r.CFAOffset)
	case CFARun:
		return fmt.Sprintf("run(%d, %#x)", uint16(r.RBPOffset), uint32(r.CFAOffset))
	case CFARSP:
		cfa = fmt.Sprintf("rsp%+d", r.CFAOffset)
	case CFARBP:
		cfa = fmt.Sprintf("rbp%+d", r.CFAOffset)
	case CFARegister:
		cfa = fmt.Sprintf("reg%d%+d", lo, hi)
	case CFAPLT:
		cfa = fmt.Sprintf("rsp%+d+8*(rip&15>=%d)", hi, lo)
	case CFADerefRBP:
		cfa = fmt.Sprintf("*(rbp%+d)%+d", hi, lo)
	case CFADerefRSP:
		cfa = fmt.Sprintf("*(rsp%+d)%+d", hi, lo)
	case CFARARegister:
		cfa = fmt.Sprintf("rsp%+d ra=reg%d", hi, lo)
	case CFAGoC:
		w := r.words()
		cfa = fmt.Sprintf("*(*(rsp%+d)%+d)-*(rsp%+d)%+d", w[0], w[2], w[1], w[3])
	case CFAGoSwitch:
		w := r.words()
		from := fmt.Sprintf("fs%+d", r.RBPOffset)
		if r.RBP == RBPUndefined {
			from = fmt.Sprintf("fs+slot%d", uint16(r.RBPOffset))
		}
		return fmt.Sprintf("cfa=*(*(*(*(%s)%+d)%+d)%+d)%+d rbp=*(cfa-16)", from, w[0], w[1], w[2], w[3])
	case CFAGoSlot:
		return fmt.Sprintf("slot(rip%+d)", r.CFAOffset)
	default:
		cfa = fmt.Sprintf("kind%d(%d)", r.CFA, r.CFAOffset)
	}
	switch r.RBP {
	case RBPSame:
		return "cfa=" + cfa
	case RBPAtCFA:
		return fmt.Sprintf("cfa=%s rbp=*(cfa%+d)", cfa, r.RBPOffset)
	case RBPUndefined:
		return fmt.Sprintf("cfa=%s rbp=?", cfa)
	case RBPExpression:
		return fmt.Sprintf("cfa=%s rbp=*(rbp%+d)", cfa, r.RBPOffset)
	}
	return fmt.Sprintf("cfa=%s rbp=kind%d(%d)", cfa, r.RBP, r.RBPOffset)
}
