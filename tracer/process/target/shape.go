package target

import (
	"fmt"
	"math/bits"
	"strings"
)

// Shape says where a call of a function has its arguments and its result, and what is special
// about it. It is what the BPF programs read: SHAPE_ of bpf/shape.h. Three bits each are for the
// number of an argument, from 1 on: the size, what it is multiplied by, the block that is given
// up, where the result is put, and a buffer that is returned instead of a block.
type Shape uint32

// These are the fields' places.
const (
	sizeAt   = 3 * iota
	countAt  //
	blockAt  //
	outAt    //
	bufferAt //
)

// These are the flags, which bpf/shape.h explains.
const (
	isRealloc Shape = 1 << (15 + iota)
	isFree
	throws
	isReturn
	indirect
	keeps
	frees
	inPlace
	isString
	wraps
	passes
	foreign
)

// ReturnShape is that of a return instruction.
const ReturnShape = isReturn

// MaxArguments is how many arguments of a function can have a meaning: as many as are in
// registers.
const MaxArguments = 6

// Throws reports whether the function throws if there is no memory.
func (s Shape) Throws() bool { return s&throws != 0 }

// Wraps reports whether a function that frees may do so by one that is probed, too.
func (s Shape) Wraps() bool { return s&wraps != 0 }

// Sized reports whether the shape says how large a block is.
func (s Shape) sized() bool { return s&(7<<sizeAt|isString) != 0 }

// arguments is how many arguments lead up to the last one that has a meaning.
func (s Shape) arguments() int {
	most := uint(0)
	for _, at := range []int{sizeAt, countAt, blockAt, outAt, bufferAt} {
		most = max(most, uint(s>>at&7))
	}
	return int(most)
}

// flags are the words of a signature that are no arguments.
var flags = map[string]Shape{
	"throws":  throws,
	"keeps":   keeps,
	"frees":   frees,
	"inplace": inPlace | keeps,
	"string":  isString,
	"wraps":   wraps,
}

// parseFunction reads a signature: a word for each argument, then flags.
//
//	size    how many bytes are allocated
//	count   what that is multiplied by
//	old     the block that is resized
//	*old    where that block is said, and then the new one
//	block   the block that is freed
//	out     where the result is put, whereas the function returns 0
//	buffer  what is returned if it is not NULL
//	_       anything else
//	throws  if there is no memory
//	frees   the old block even if it cannot be resized
//	keeps   the old block even if the new size is 0
//	inplace: the result is the size, and the block stays where it is
//	string  the block is a copy of one
//	wraps   other functions that are probed
func parseFunction(name, signature string) (Function, error) {
	f := Function{Name: name}
	for i, word := range strings.Fields(signature) {
		number := Shape(i + 1)
		switch word {
		case "_":
			continue
		case "size":
			f.Shape |= number << sizeAt
		case "count":
			f.Shape |= number << countAt
		case "out":
			f.Shape |= number << outAt
		case "buffer":
			f.Shape |= number << bufferAt
		case "*old":
			f.Shape |= number<<outAt | number<<blockAt | isRealloc | indirect
		case "old":
			f.Shape |= number<<blockAt | isRealloc
		case "block":
			f.Shape |= number<<blockAt | isFree
		default:
			flag, ok := flags[word]
			if !ok {
				return f, fmt.Errorf("signature of %s: what is %q?", name, word)
			}
			f.Shape |= flag
			continue
		}
		if number > MaxArguments {
			return f, fmt.Errorf("signature of %s: argument %d is not in a register", name, number)
		}
	}
	switch kind := f.Shape & (isRealloc | isFree); {
	case bits.OnesCount32(uint32(kind)) > 1 || f.Shape.sized() == (kind == isFree):
		return f, fmt.Errorf("signature of %s: %q makes no sense", name, signature)
	case kind == isRealloc:
		f.Role = Realloc
	case kind == isFree:
		f.Role = Free
	}
	return f, nil
}
