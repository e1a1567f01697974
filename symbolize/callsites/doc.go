// Package callsites finds in a file of x86-64 the places where its code calls some functions: by their
// names, through stubs or slots of the loader, or at their addresses in the file itself.
//
// A probe is going to sit behind each of these calls, and in the middle of an instruction it would
// destroy the program. So only functions count of which the file says where they begin and end, by
// .eh_frame or by symbols, which can be decoded from the first instruction to the last, and in which
// each jump leads to an instruction that was decoded. Files are not trusted: see package elffile.
package callsites
