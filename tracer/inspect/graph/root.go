package graph

// RootClass says what kind of place a root is. Roots are looked at in the order of the classes.
type RootClass uint8

// These are the classes of roots.
const (
	// Interpreter are the variables of CPython. Nearly all of its objects lead to each other, by their
	// types, the collector's lists and more. So which variable leads to one first says nothing, be it
	// one of an extension.
	Interpreter RootClass = iota
	// Global is a variable of a module, or a place in its data.
	Global
	// TLS is a thread-local variable, or a thread's own data.
	TLS
	// Mapping is other private memory.
	Mapping
	// Stack is the stack of a thread.
	Stack
	// Registers are those of a thread that waits, as far as the kernel shows them.
	Registers
	// Epoll is what the kernel keeps for the process: data of epoll and of timers.
	Epoll
)

func (c RootClass) String() string {
	names := [...]string{"interpreter", "global", "TLS", "mapping", "stack", "registers", "epoll"}
	if int(c) < len(names) {
		return names[c]
	}
	return "unknown"
}

// Root is a place outside of the heap that holds blocks.
type Root struct {
	Class RootClass
	// Name is a variable as its symbol has it (demangled), "libfoo.so .bss+0x40" where there is
	// none, or what else tells: "stack of thread 123 (worker)".
	Name string
	// Module is the name of the file that a global is in.
	Module string
	// Addr is where the root begins, or the pointer is.
	Addr uint64
	// TID is the thread, for TLS, Stack and Registers.
	TID int
}

// area is a range of memory to look for roots in, or words.
type area struct {
	start, end uint64
	class      RootClass
	// last: it is looked at after the others of its class.
	last bool
	// odd: pointers may be at any address, as in generated code.
	odd bool
	// words are looked at instead of memory: what the kernel keeps.
	words []uint64
	// name says whose the word at an address is, and until where that holds.
	name func(addr uint64) (root Root, from, to uint64)
}

// named returns a function for areas that are all of one root.
func named(r Root, start, end uint64) func(uint64) (Root, uint64, uint64) {
	return func(uint64) (Root, uint64, uint64) { return r, start, end }
}
