package target

import "slices"

// returning are the functions by their names whose result is a new block of glibc's malloc, or of an
// allocator in its place, wherever they are called.
var returning = func() map[string]Function {
	list := make(map[string]Function)
	for _, f := range slices.Concat(standardFunctions, wrapperFunctions) {
		if f.Role != Free && f.Shape&(7<<outAt|7<<bufferAt|indirect|inPlace) == 0 {
			list[f.Name] = f
		}
	}
	return list
}()

// Returning reports whether a function of a name returns a block, and that is all it returns.
func Returning(name string) bool {
	_, ok := returning[name]
	return ok
}

// Asked returns how many bytes a call of such a function asks for, if that is known by its arguments,
// which count from 1.
func Asked(name string, argument func(number int) (value uint64, known bool)) (bytes uint64, known bool) {
	f, ok := returning[name]
	size, count := int(f.Shape>>sizeAt&7), int(f.Shape>>countAt&7)
	if !ok || size == 0 {
		return 0, false
	}
	bytes, known = argument(size)
	if count != 0 && known {
		var n uint64
		n, known = argument(count)
		bytes *= n
	}
	return bytes, known
}
