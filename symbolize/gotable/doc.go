// Package gotable reads the table that every Go program carries for its own stack traces
// (.gopclntab): for each function its name, its size of frame at each instruction, the lines of
// its source and the calls inlined into it. The table stays when symbols and DWARF are stripped.
//
// It reads the forms of Go 1.18 to 1.26 for x86-64 and arm64. Sources: runtime/symtab.go,
// runtime/symtabinl.go, internal/abi/symtab.go and cmd/link/internal/ld/pcln.go of Go. The
// standard library's debug/gosym reads neither frame sizes nor inlined calls.
//
// The input is not trusted. What is damaged is left out.
package gotable
