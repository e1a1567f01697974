package kinds

import (
	"encoding/binary"
	"strings"

	"memtrace/tracer/inspect/datasym"
)

// ID is a kind of block. It means something only to the Namer that it is from; 0 is no kind.
type ID uint16

// Words is how many words of a block Of looks at.
const Words = 6

const (
	// maxKinds bounds the kinds that are kept: a large C++ program has 50,000 classes.
	maxKinds = 1 << 16
	// maxPointers bounds the pointers whose kind is remembered.
	maxPointers = 1 << 20
	// maxLooks bounds how often memory is looked at between two Refreshes.
	maxLooks = 1 << 18
	// recentSize is how many pointers are found fast, a power of two.
	recentSize = 1 << 10
	// maxName is the longest name, in bytes.
	maxName = 512
)

// Memory is the memory of a process.
type Memory interface {
	// Read fills buf with the memory at addr, and returns how much of it, from the beginning, is
	// there.
	Read(addr uint64, buf []byte) int
}

// Namer finds kinds. It is not safe for concurrent use.
type Namer struct {
	mem     Memory
	symbols *datasym.Table
	// low and high hold all modules: no table of virtual functions is elsewhere.
	low, high uint64
	// typeType is the address of CPython's PyType_Type, 0 if there is none, and cpython the module that
	// it is in.
	typeType uint64
	cpython  *datasym.Module

	names  []string // by ID
	byName map[string]ID
	// known is what pointers of a first word mean, 0 being nothing, and what those to types do, whose lowest
	// bit is set here: a type of CPython is an object as well, with one in its first words.
	known map[uint64]ID
	// recent has the pointers that were looked up last. A lookup in known takes ten times as long.
	recent [recentSize]struct {
		pointer uint64
		id      ID
	}
	looks int
}

// New returns a Namer for the process whose modules and memory are given.
func New(symbols *datasym.Table, mem Memory) *Namer {
	n := &Namer{mem: mem, symbols: symbols, names: []string{""}, byName: make(map[string]ID)}
	n.Refresh()
	return n
}

// Refresh forgets what pointers mean, since the process may have mapped other files there. IDs stay
// what they are. It is to be called after the modules were listed again.
func (n *Namer) Refresh() {
	n.known = make(map[uint64]ID)
	clear(n.recent[:])
	n.low, n.high, n.typeType, n.cpython, n.looks = 0, 0, 0, nil, 0
	for i, m := range n.symbols.Modules() {
		if i == 0 {
			n.low = m.Start
		}
		n.high = max(n.high, m.End)
		if n.typeType == 0 && mayBePython(m.Name) {
			if n.typeType, _ = m.Find("PyType_Type"); n.typeType != 0 {
				n.cpython = m
			}
		}
	}
}

// CPython returns the module that is CPython's interpreter, nil if there is none.
func (n *Namer) CPython() *datasym.Module { return n.cpython }

// Name returns the name of a kind, "" for none.
func (n *Namer) Name(id ID) string {
	if int(id) >= len(n.names) {
		return ""
	}
	return n.names[id]
}

// Of returns the kind of a block that begins with the given words, of which there may be fewer than
// Words.
func (n *Namer) Of(words []uint64) ID {
	if len(words) == 0 {
		return 0
	}
	if words[0]-n.low < n.high-n.low && words[0]%8 == 0 {
		if id, ok := n.lately(words[0]); ok && id != 0 {
			return id
		} else if !ok && n.symbols.At(words[0]) != nil {
			if id := n.looked(words[0], n.class); id != 0 {
				return id
			}
		}
	}
	if n.typeType != 0 {
		return n.python(words)
	}
	return 0
}

// lately looks a pointer up among the last ones.
func (n *Namer) lately(pointer uint64) (id ID, ok bool) {
	r := &n.recent[slot(pointer)]
	return r.id, r.pointer == pointer
}

func slot(pointer uint64) uint64 { return (pointer>>3 ^ pointer>>13) % recentSize }

// looked looks a pointer up among all, and has it looked at if it is new.
func (n *Namer) looked(pointer uint64, look func(uint64) ID) ID {
	id, ok := n.known[pointer]
	if !ok {
		if n.looks >= maxLooks {
			return 0
		}
		n.looks++
		id = look(pointer)
		if len(n.known) < maxPointers {
			n.known[pointer] = id
		}
	}
	r := &n.recent[slot(pointer)]
	r.pointer, r.id = pointer, id
	return id
}

// idOf returns the ID of a name.
func (n *Namer) idOf(name string) ID {
	if name == "" {
		return 0
	}
	name = name[:min(len(name), maxName)]
	id, ok := n.byName[name]
	if !ok && len(n.names) < maxKinds {
		id = ID(len(n.names))
		n.names = append(n.names, name)
		n.byName[name] = id
	}
	return id
}

// words reads words of memory. ok is false if not all of them are there.
func (n *Namer) words(addr uint64, to []uint64) (ok bool) {
	var buf [8 * 8]byte
	part := buf[:8*len(to)]
	if addr%8 != 0 || addr+uint64(len(part)) < addr || n.mem.Read(addr, part) != len(part) {
		return false
	}
	for i := range to {
		to[i] = binary.LittleEndian.Uint64(part[8*i:])
	}
	return true
}

// text reads a string that ends with a zero byte and has at most maxName bytes, all of them
// printable ASCII or parts of UTF-8. It returns "" if there is no such string.
func (n *Namer) text(addr uint64) string {
	var buf [maxName]byte
	got := 0
	// The string may end before a page that is not there.
	for _, size := range []int{64, maxName} {
		got = n.mem.Read(addr, buf[:size])
		for i, c := range buf[:min(max(got, 0), size)] {
			if c == 0 {
				return strings.ToValidUTF8(string(buf[:i]), "?")
			}
			if c < 0x20 || c == 0x7f {
				return ""
			}
		}
		if got < size {
			break
		}
	}
	return ""
}
