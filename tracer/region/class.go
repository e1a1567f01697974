package region

// Class is the use of a part of an address space.
type Class uint8

// The classes, in the order in which they are shown.
const (
	// Text is the executable's code and constants.
	Text Class = iota
	// Data is the executable's writable data and the bss after it.
	Data
	// Brk is the heap between start_brk and brk, [heap] in maps.
	Brk
	// Arena is the heaps of glibc's arenas other than the main one. Each takes 64 MiB of
	// addresses, of which a growing part is accessible.
	Arena
	// MallocMmap is the chunks that glibc's malloc mapped one by one.
	MallocMmap
	// Mmap is other anonymous memory: the program's own mmaps, other allocators and runtimes,
	// and addresses that are only reserved.
	Mmap
	// File is mapped files.
	File
	// Shared is shared memory: System V, POSIX, memfd, and files on tmpfs.
	Shared
	// Library is shared libraries with their data and bss.
	Library
	// ThreadStack is the stacks of threads other than the first, with their guards.
	ThreadStack
	// MainStack is the stack of the first thread.
	MainStack
	// VDSO is what the kernel maps into every process: vdso, vvar.
	VDSO
	// Other is devices and the like.
	Other

	// NumClasses is how many classes there are.
	NumClasses = int(Other) + 1
)

var classNames = [NumClasses]struct{ id, label, items string }{
	Text:        {"text", "text", "mapping"},
	Data:        {"data", "data and bss", "mapping"},
	Brk:         {"brk", "brk heap", "mapping"},
	Arena:       {"arena", "thread arenas", "heap"},
	MallocMmap:  {"malloc_mmap", "malloc's mmaps", "chunk"},
	Mmap:        {"mmap", "anonymous mmaps", "mapping"},
	File:        {"file", "mapped files", "mapping"},
	Shared:      {"shared", "shared memory", "mapping"},
	Library:     {"library", "libraries", "mapping"},
	ThreadStack: {"thread_stack", "thread stacks", "stack"},
	MainStack:   {"main_stack", "main stack", "mapping"},
	VDSO:        {"vdso", "vdso, vvar", "mapping"},
	Other:       {"other", "other", "mapping"},
}

// String returns the name of the class in JSON.
func (c Class) String() string { return classNames[c].id }

// Label returns the class in words.
func (c Class) Label() string { return classNames[c].label }

// name returns the class as a sentence names it.
func (c Class) name() string {
	switch c {
	case Text, Data, Brk, MainStack:
		return "the " + c.Label()
	case Other:
		return "other memory"
	}
	return c.Label()
}

// Items returns the singular of what Total.Count counts.
func (c Class) Items() string { return classNames[c].items }

// plural reports whether the label takes a plural verb.
func (c Class) plural() bool {
	switch c {
	case Arena, MallocMmap, Mmap, File, Library, ThreadStack:
		return true
	}
	return false
}

// Segment is a range of addresses of one class: a mapping or a part of one. The kernel joins
// neighbouring mappings that are alike, so one mapping may hold memory of several classes.
type Segment struct {
	Start, End uint64
	Class      Class
	// Reserved: the memory cannot be accessed (PROT_NONE).
	Reserved bool
	// Items is the number of chunks, stacks and so on (Class.Items) in the segment. It is 0
	// for a guard and for the reserved part of an arena heap.
	Items int
	// Name is the mapping's name in maps.
	Name string
	// Origin is the origin that the caller gave for it (Range.Origin), 0 if none.
	Origin uint64

	// clean: its pages are a file's, and it cannot get others as long as it stays as it is.
	clean bool
	// own is the part of resident that is memory of the process (see Total.Own).
	resident, own uint64
}

// Bytes returns the size of the segment.
func (s *Segment) Bytes() uint64 { return s.End - s.Start }

// usable returns how many bytes of the segment can be accessed.
func (s *Segment) usable() uint64 {
	if s.Reserved {
		return 0
	}
	return s.Bytes()
}
