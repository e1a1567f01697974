#include "textflag.h"

// func probedAlloc()
//
// Starts with an instruction that the kernel emulates, and returns something that
// could be a block's address.
TEXT ·probedAlloc(SB), NOSPLIT|NOFRAME, $0-0
	NOOP
	MOVD $4096, R0
	RET

// func callProbedFree()
TEXT ·callProbedFree(SB), NOSPLIT|NOFRAME, $0-0
	MOVD $4096, R0
	B    ·probedFree(SB)

// func probedFree()
TEXT ·probedFree(SB), NOSPLIT|NOFRAME, $0-0
	NOOP
	RET

// func probedAddresses() (alloc, free uintptr)
TEXT ·probedAddresses(SB), NOSPLIT, $0-16
	MOVD $·probedAlloc(SB), R0
	MOVD R0, alloc+0(FP)
	MOVD $·probedFree(SB), R0
	MOVD R0, free+8(FP)
	RET
