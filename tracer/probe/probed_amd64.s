#include "textflag.h"

// func probedAlloc()
//
// Starts with an instruction that the kernel emulates, as malloc does, and returns
// something that could be a block's address.
TEXT ·probedAlloc(SB), NOSPLIT|NOFRAME, $0-0
	PUSHQ BP
	MOVQ  $4096, AX
	POPQ  BP
	RET

// func probedAllocStepped()
//
// As probedAlloc, but starts with an instruction that the kernel single-steps.
TEXT ·probedAllocStepped(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $4096, AX
	RET

// func callProbedFree()
TEXT ·callProbedFree(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $4096, DI
	JMP  ·probedFree(SB)

// func probedFree()
TEXT ·probedFree(SB), NOSPLIT|NOFRAME, $0-0
	PUSHQ BP
	POPQ  BP
	RET

// func callProbedFreeStepped()
TEXT ·callProbedFreeStepped(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $4096, DI
	JMP  ·probedFreeStepped(SB)

// func probedFreeStepped()
TEXT ·probedFreeStepped(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ DI, AX
	RET

// func probedAddresses() (alloc, free, allocStepped, freeStepped uintptr)
TEXT ·probedAddresses(SB), NOSPLIT, $0-32
	LEAQ ·probedAlloc(SB), AX
	MOVQ AX, alloc+0(FP)
	LEAQ ·probedFree(SB), AX
	MOVQ AX, free+8(FP)
	LEAQ ·probedAllocStepped(SB), AX
	MOVQ AX, allocStepped+16(FP)
	LEAQ ·probedFreeStepped(SB), AX
	MOVQ AX, freeStepped+24(FP)
	RET
