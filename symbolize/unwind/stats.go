package unwind

import "fmt"

// Reason is why a row, an FDE or a CIE could not be used as it stands.
type Reason uint8

const (
	// ReasonCFAExpression: no CFAKind can express the CFA's DWARF expression.
	ReasonCFAExpression Reason = iota
	// ReasonCFARegister: the CFA's register is not one of the 16 general ones, or no CFA was
	// defined.
	ReasonCFARegister
	// ReasonRange: an offset does not fit the field of Rule.
	ReasonRange
	// ReasonReturnAddress: the return address is neither at CFA-8 nor in a register with a CFA
	// relative to rsp.
	ReasonReturnAddress
	// ReasonStackPointer: the caller's rsp is not the CFA.
	ReasonStackPointer
	// ReasonRBP: the rule was used, but the caller's rbp is lost.
	ReasonRBP
	// ReasonDictionary: the dictionary is full.
	ReasonDictionary
	// ReasonInstruction: an instruction is unknown, truncated or meaningless. The FDE is
	// CFAUnknown from there on.
	ReasonInstruction

	// The following reasons count entries of the section, not rows.

	// ReasonCIE: an FDE's CIE is damaged, or its version, augmentation or return address
	// column is unknown.
	ReasonCIE
	// ReasonFDE: an FDE is damaged, or the encoding of its addresses needs a running process.
	ReasonFDE
	// ReasonOutside: an FDE is outside of the executable segments. Linkers leave such FDEs in
	// .debug_frame for functions that they dropped.
	ReasonOutside
	// ReasonDuplicate: an FDE starts at the same address as an earlier one in the file, and
	// was left out.
	ReasonDuplicate
	// ReasonOverlap: an FDE reaches into the next one, and was cut there.
	ReasonOverlap
	// ReasonTruncated: the section is damaged or over a limit, and the entries after this
	// place were not read.
	ReasonTruncated

	// NumReasons is the number of reasons, the length of Stats.Unsupported.
	NumReasons
)

var reasonNames = [NumReasons]string{
	ReasonCFAExpression: "CFA expression",
	ReasonCFARegister:   "CFA register",
	ReasonRange:         "offset out of range",
	ReasonReturnAddress: "return address rule",
	ReasonStackPointer:  "stack pointer rule",
	ReasonRBP:           "rbp lost",
	ReasonDictionary:    "dictionary full",
	ReasonInstruction:   "CFA instruction",
	ReasonCIE:           "CIE not usable",
	ReasonFDE:           "FDE not usable",
	ReasonOutside:       "FDE outside text",
	ReasonDuplicate:     "FDE duplicate",
	ReasonOverlap:       "FDE overlap",
	ReasonTruncated:     "section truncated",
}

// String returns the reason in words.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Stats says what Build found in a file, and what it could not use.
type Stats struct {
	Source Source // where the call frame information comes from

	CIEs int // CIEs that FDEs refer to
	FDEs int // FDEs that the table holds

	FDERows   int // rows that the FDEs describe
	TableRows int // rows of the table: equal ones merged, gaps and page starts added, runs joined

	ExecutableBytes uint64 // size of the executable segments, which may also hold read-only data
	CoveredBytes    uint64 // bytes of code that FDEs or an analysis cover
	// Analysed counts the pieces of code without FDEs that were analysed.
	Analysed int

	// Unsupported counts, by Reason, what was not used: rows up to ReasonInstruction, entries
	// of the section from there on.
	Unsupported [NumReasons]int
}

// Source says where the call frame information of a file was found.
type Source uint8

const (
	SourceNone       Source = iota // none, or not looked for yet
	SourceEhFrame                  // section .eh_frame
	SourceEhFrameHdr               // segment PT_GNU_EH_FRAME, which points to .eh_frame
	SourceDebugFrame               // section .debug_frame
)

// String returns the name of the section or segment.
func (s Source) String() string {
	switch s {
	case SourceNone:
		return "none"
	case SourceEhFrame:
		return ".eh_frame"
	case SourceEhFrameHdr:
		return "PT_GNU_EH_FRAME"
	case SourceDebugFrame:
		return ".debug_frame"
	}
	return fmt.Sprintf("source %d", uint8(s))
}
