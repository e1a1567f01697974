/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Registers by architecture: the arguments and results of C functions and of
 * system calls. struct pt_regs is declared here, not taken from vmlinux.h. Its
 * fields have kept their names and places since long before Linux 5.8, and CO-RE
 * checks them where the kernel's own copy is read (system calls).
 */
#ifndef MEMTRACE_ARCH_H
#define MEMTRACE_ARCH_H

#if defined(__TARGET_ARCH_x86)

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax;
	unsigned long ip, cs, flags, sp, ss;
} __attribute__((preserve_access_index));

#define ARG0(regs) ((regs)->di)
#define ARG1(regs) ((regs)->si)
#define ARG2(regs) ((regs)->dx)
#define ARG3(regs) ((regs)->cx)
#define ARG4(regs) ((regs)->r8)
#define ARG5(regs) ((regs)->r9)
#define RESULT(regs) ((regs)->ax)
#define INSTRUCTION(regs) ((regs)->ip)
#define STACK_POINTER(regs) ((regs)->sp)
#define FRAME_POINTER(regs) ((regs)->bp)
/* Bytes: a call pushes its return address, and ret pops it. */
#define CALL_PUSHES 8

/* System calls: the registers still hold the arguments at the exit. SYS_FUNCTION names
 * the kernel's function behind a call. */
#define SYS_NUMBER(regs) ((regs)->orig_ax)
#define SYS_ARG0(regs) ((regs)->di)
#define SYS_ARG1(regs) ((regs)->si)
#define SYS_ARG2(regs) ((regs)->dx)
#define SYS_ARG3(regs) ((regs)->r10)
#define SYS_ARG4(regs) ((regs)->r8)
#define SYS_ARG5(regs) ((regs)->r9)

#define SYS_FUNCTION(call) "__x64_sys_" call

#define SYS_MMAP 9
#define SYS_MPROTECT 10
#define SYS_MUNMAP 11
#define SYS_BRK 12
#define SYS_MREMAP 25
#define SYS_SHMAT 30
#define SYS_SHMDT 67

#elif defined(__TARGET_ARCH_arm64)

/*
 * uprobe programs see user_pt_regs, which ends before orig_x0. Only programs on
 * tracepoints and on kernel functions are given the kernel's own.
 */
struct pt_regs {
	unsigned long regs[31];
	unsigned long sp, pc, pstate;
	unsigned long orig_x0;
	int syscallno;
} __attribute__((preserve_access_index));

#define ARG0(r) ((r)->regs[0])
#define ARG1(r) ((r)->regs[1])
#define ARG2(r) ((r)->regs[2])
#define ARG3(r) ((r)->regs[3])
#define ARG4(r) ((r)->regs[4])
#define ARG5(r) ((r)->regs[5])
#define RESULT(r) ((r)->regs[0])
#define INSTRUCTION(r) ((r)->pc)
#define STACK_POINTER(r) ((r)->sp)
#define FRAME_POINTER(r) ((r)->regs[29])
/* A call leaves its return address in a register. */
#define CALL_PUSHES 0

/* orig_x0, because at a system call's exit the result has replaced the first argument. */
#define SYS_NUMBER(r) ((r)->syscallno)
#define SYS_ARG0(r) ((r)->orig_x0)
#define SYS_ARG1(r) ((r)->regs[1])
#define SYS_ARG2(r) ((r)->regs[2])
#define SYS_ARG3(r) ((r)->regs[3])
#define SYS_ARG4(r) ((r)->regs[4])
#define SYS_ARG5(r) ((r)->regs[5])

#define SYS_FUNCTION(call) "__arm64_sys_" call

#define SYS_SHMAT 196
#define SYS_SHMDT 197
#define SYS_BRK 214
#define SYS_MUNMAP 215
#define SYS_MREMAP 216
#define SYS_MMAP 222
#define SYS_MPROTECT 226

#else
#error "unknown target architecture"
#endif

#endif
