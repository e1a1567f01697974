package kinds

import "strings"

// mayBePython reports whether a file may be CPython, by its name. Only such files are searched for
// its symbols.
func mayBePython(name string) bool {
	return strings.Contains(name, "python") || strings.Contains(name, "Python")
}

// python returns the kind of a CPython object (Include/object.h): a count of references and behind
// it a pointer to the type. Objects that the garbage collector knows have two more words before
// that (Include/internal/pycore_gc.h), and from 3.11 on some have two more (those for attributes and
// weak references).
func (n *Namer) python(words []uint64) ID {
	for _, at := range [...]int{1, 3, 5} {
		if at >= len(words) {
			break
		}
		if isCount(words[at-1]) && words[at]%8 == 0 && words[at] != 0 {
			key := words[at] | 1
			id, ok := n.lately(key)
			if !ok {
				id = n.looked(key, n.pythonType)
			}
			if id != 0 {
				return id
			}
		}
	}
	return 0
}

// isCount reports whether a word can be a count of references. It is no pointer. From 3.12 on the
// count of an immortal object has 32 set bits or fewer, and from 3.14 on flags are in the upper 16.
func isCount(word uint64) bool {
	const flags = 0xffff << 48
	return uint32(word) != 0 && word&^flags < 1<<33
}

// pythonType returns the kind of instances of the type at an address, whose lowest bit is set. It is one if
// its own type is `type`, or has that as its type, as metaclasses do.
func (n *Namer) pythonType(addr uint64) ID {
	var object [4]uint64 // count, type, size, tp_name
	if !n.words(addr&^1, object[:]) || !isCount(object[0]) {
		return 0
	}
	if object[1] != n.typeType {
		var meta [2]uint64
		if !n.words(object[1], meta[:]) || meta[1] != n.typeType {
			return 0
		}
	}
	return n.idOf(n.text(object[3]))
}
