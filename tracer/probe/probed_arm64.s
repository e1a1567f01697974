#include "textflag.h"

// func probedAlloc()
//
// Starts with an instruction that the kernel emulates, and returns something that
// could be a block's address.
TEXT ·probedAlloc(SB), NOSPLIT|NOFRAME, $0-0
	NOOP
	MOVD $4096, R0
	RET

// func probedAllocStepped()
//
// As probedAlloc, but starts with an instruction that the kernel single-steps.
TEXT ·probedAllocStepped(SB), NOSPLIT|NOFRAME, $0-0
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

// func callProbedFreeStepped()
TEXT ·callProbedFreeStepped(SB), NOSPLIT|NOFRAME, $0-0
	MOVD $4096, R0
	B    ·probedFreeStepped(SB)

// func probedFreeStepped()
TEXT ·probedFreeStepped(SB), NOSPLIT|NOFRAME, $0-0
	MOVD R0, R1
	RET

// func probedAddresses() (alloc, free, allocStepped, freeStepped uintptr)
TEXT ·probedAddresses(SB), NOSPLIT, $0-32
	MOVD $·probedAlloc(SB), R0
	MOVD R0, alloc+0(FP)
	MOVD $·probedFree(SB), R0
	MOVD R0, free+8(FP)
	MOVD $·probedAllocStepped(SB), R0
	MOVD R0, allocStepped+16(FP)
	MOVD $·probedFreeStepped(SB), R0
	MOVD R0, freeStepped+24(FP)
	RET
