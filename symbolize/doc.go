// Package symbolize names the code at a process's addresses: function, source
// line, the calls that were inlined there, and the module with the offset that
// addr2line and objdump know.
//
// A Process follows one process's executable mappings and keeps the mapped
// files themselves open, so that names are there also after a library was
// closed, the program's file was replaced, or the process has ended. Nothing is
// read from a file before the first address that falls into it.
//
// Names come from a separate debug file where there is one for the same build
// (found by build ID, or by debug link and checksum), from the symbol tables
// of the file itself, from its compressed .gnu_debugdata, from its DWARF
// sections, and for code generated at run time from /tmp/perf-PID.map.
//
// The package runs as root on files that the traced process, or anyone else,
// may have made for the purpose. Files are opened only if they are regular,
// inside the target's root where the path comes from the target, and what is
// read, kept and computed is bounded (internal/elffile.Budget). What could not
// be used is listed by Process.Problems. Names are returned as they are in the
// files, at most 4 KiB each: whoever prints them has to escape them.
package symbolize
