// Package unwind turns the call frame information of an ELF file into tables that a BPF
// program can use to walk a user stack.
//
// Compilers describe how to get from a function to its caller in .eh_frame (or in
// .debug_frame, which is used where .eh_frame is absent). For every instruction address they
// say where the canonical frame address is (CFA, the value of the stack pointer before the
// call) and where the caller's registers were saved. The description is a byte-code program
// for each function, which a BPF program cannot run. Build runs it once and keeps what a walk
// of three registers (rip, rsp, rbp) needs:
//
//	Dictionary  the distinct Rules, some hundred for most files, shared by all
//	            tables
//	Table       for each 64 KiB page of a file's text, sorted rows of 4 bytes:
//	            16 bits of pc and 16 bits of index into the dictionary
//
// Where a sequence of rows occurs often, such as that of a function's pushes, the dictionary
// names the sequence and one row stands for it (see CFARun).
//
// Code that nothing describes is analysed instead (package flow): musl's libc, programs built
// without unwind tables, hand-written assembly. Of the functions of Go programs, a table of their
// own says how large the frames are (package gotable), and the code of the runtime how it changes
// stacks.
//
// What Rule cannot express becomes CFAUnknown and is counted by reason in Stats, so that a
// walk ends there instead of continuing with a wrong frame.
//
// Addresses are those of the ELF file (p_vaddr). The load bias of a mapping is up to the
// caller, as are the BPF maps, the choice of files and the names of functions. Only x86-64 is
// implemented. Tables are independent of the architecture, and Rule leaves the kinds from 32
// on to other architectures.
//
// The input is not trusted: a process may map any file it likes. Build neither panics nor
// loops forever on it, and the constants in limits.go bound its memory.
//
// Sources: DWARF 5 section 6.4 (call frame information), the Linux Standard Base core
// specification, chapter 10.6 (.eh_frame, .eh_frame_hdr), and the System V psABI for x86-64,
// figure 3.36 (register numbers).
package unwind
