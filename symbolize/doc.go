// Package symbolize names the code at a process's addresses: the function, the source line,
// the calls inlined there, and the module with the offset that addr2line and objdump use.
//
// A Process follows the executable mappings of one process and keeps the mapped files open.
// Names therefore remain available after a library was closed, the program's file was
// replaced, or the process has ended. Nothing is read from a file before the first address
// that falls into it.
//
// Names come from a separate debug file of the same build, if there is one (found by build ID,
// or by debug link and checksum), from the symbol tables of the file itself, from its
// compressed .gnu_debugdata, and from its DWARF sections. Code generated at run time is named
// by /tmp/perf-PID.map.
//
// Where names are wanted later, perhaps on another machine, a Process leaves them out (Options.Bare), and
// Builds finds them by build ID.
//
// The package runs as root on files that the traced process, or anyone else, may have made for
// the purpose. Files are opened only if they are regular, and only inside the target's root
// where the path comes from the target. What is read, kept and computed is bounded
// (elffile.Budget). Process.Problems lists what could not be used. Names are returned as they
// are in the files, at most 4 KiB each: whoever prints them has to escape them.
package symbolize
