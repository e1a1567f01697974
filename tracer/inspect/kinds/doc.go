// Package kinds says what a block of memory is by its first words: an object of a C++ class, whose
// first word points to the class's table of virtual functions, or an object of CPython, which has a
// pointer to its type. What it reads it believes only if several facts agree, and what it has found
// for a pointer it keeps.
//
// A block without such a word has no kind. Neither have objects of classes without virtual
// functions.
package kinds
