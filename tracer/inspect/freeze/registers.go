package freeze

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sets of registers (include/uapi/linux/elf.h). The wide ones of x86 are as XSAVE writes them, with
// some words that are no registers.
const (
	generalRegisters = 1     // NT_PRSTATUS
	wideRegisters    = 2     // NT_PRFPREG
	extended         = 0x202 // NT_X86_XSTATE
)

// maxRegisters is the most that a set has, in bytes: with the tiles of AMX 11 KiB.
const maxRegisters = 16 << 10

// registers reads the registers of a thread that is stopped.
func registers(tid int) (t Thread, err error) {
	t.TID = tid
	words, err := registerSet(tid, generalRegisters)
	if err != nil {
		return t, err
	}
	// struct user_regs_struct of x86-64, struct user_pt_regs of arm64.
	switch at := func(i int) uint64 {
		if i < len(words) {
			return words[i]
		}
		return 0
	}; runtime.GOARCH {
	case "amd64":
		t.Stack, t.Pointer = at(19), at(21) // rsp, fs_base
	case "arm64":
		t.Stack = at(31)
	}
	t.Words = words
	wide, err := registerSet(tid, extended)
	if err != nil {
		wide, _ = registerSet(tid, wideRegisters) // few programs have pointers there alone
	}
	t.Words = append(t.Words, wide...)
	return t, nil
}

func registerSet(tid int, set uintptr) ([]uint64, error) {
	var buf [maxRegisters]byte
	part := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	if err := ptrace(unix.PTRACE_GETREGSET, tid, set, uintptr(unsafe.Pointer(&part))); err != nil {
		return nil, err
	}
	words := make([]uint64, min(part.Len, uint64(len(buf)))/8)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(buf[8*i:])
	}
	return words, nil
}
