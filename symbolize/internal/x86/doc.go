// Package x86 decodes x86-64 instructions as far as an analysis of stack frames needs: how long
// each is, where it leads, and what it does to general registers and to words of the stack.
// golang.org/x/arch/x86/x86asm prints instructions, but knows neither AVX nor what one writes.
//
// Source: Intel's Software Developer's Manual, volume 2, appendix A (opcode maps) and chapter 2
// (prefixes, ModR/M, VEX, EVEX).
package x86
