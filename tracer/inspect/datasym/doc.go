// Package datasym tells which variable of a process an address belongs to: the symbol of a data
// object, or where there are no symbols the section and the offset in it. It reads the files of
// the process's modules, which nobody vouches for, and leaves what the variables hold to others.
package datasym
