package stacks

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"memtrace/tracer/event"
)

const (
	// chunkBytes is how much memory for text is allocated at a time. A stack's text must fit
	// into it: a head and twice event.MaxFrames numbers, and 2 more, of at most 5 bytes.
	chunkBytes = 64 << 10
	// mapOverhead is what a map entry takes on average beside its key and value. stackBytes
	// and addressBytes are what a stack and an address take in all in a Store, text aside.
	mapOverhead  = 12
	stackBytes   = 8 + 8 + mapOverhead
	addressBytes = 8 + 4 + mapOverhead + 8
)

// A stack's text is its head, its frames, its server if headServed is set, and the code of each if
// headCodes is set: all as numbers of Store.addresses. The head is the number of frames, shifted by
// headBits, and these bits.
const (
	headTruncated = 1 << iota
	headCodes
	headServed
	headBits = iota
)

// Store is a set of stacks by their IDs. It is not safe for concurrent use.
type Store struct {
	// places says where each stack's text begins, as chunk<<16 | byte.
	places map[event.StackID]uint64
	chunks [][]byte
	// addresses maps numbers to addresses, numbers the other way.
	addresses []uint64
	numbers   map[uint64]uint32
	scratch   []byte
}

// New returns an empty Store.
func New() *Store {
	return &Store{places: make(map[event.StackID]uint64), numbers: make(map[uint64]uint32)}
}

// Add keeps a stack, innermost frame first, and the function that served its allocations (0: none).
// A stack that is already in the Store stays as it is.
func (s *Store) Add(id event.StackID, server uint64, frames []uint64, truncated bool) {
	s.AddIn(id, server, frames, nil, truncated)
}

// AddIn is Add for a stack whose frames lie in the given code, and its server, which comes last. nil
// stands for event.FirstCode.
func (s *Store) AddIn(id event.StackID, server uint64, frames []uint64, codes []event.CodeID, truncated bool) {
	if _, ok := s.places[id]; ok {
		return
	}
	head := uint64(len(frames)) << headBits
	if truncated {
		head |= headTruncated
	}
	if codes != nil {
		head |= headCodes
	}
	if server != 0 {
		head |= headServed
	}
	text := binary.AppendUvarint(s.scratch[:0], head)
	for _, address := range frames {
		text = binary.AppendUvarint(text, uint64(s.number(address)))
	}
	if server != 0 {
		text = binary.AppendUvarint(text, uint64(s.number(server)))
	}
	for _, code := range codes {
		text = binary.AppendUvarint(text, uint64(s.number(uint64(code))))
	}
	s.scratch = text
	s.places[id] = s.write(text)
}

// Replace gives a stack that is in the Store other frames. Its server stays the same.
func (s *Store) Replace(id event.StackID, frames []uint64, codes []event.CodeID, truncated bool) {
	if _, ok := s.places[id]; ok {
		server, _ := s.Server(id)
		delete(s.places, id)
		s.AddIn(id, server, frames, codes, truncated)
	}
}

// number returns the number of an address, a new one if need be.
func (s *Store) number(address uint64) uint32 {
	n, ok := s.numbers[address]
	if !ok {
		n = uint32(len(s.addresses))
		s.addresses = append(s.addresses, address)
		s.numbers[address] = n
	}
	return n
}

// write appends text and returns its place.
func (s *Store) write(text []byte) uint64 {
	last := len(s.chunks) - 1
	if last < 0 || len(s.chunks[last])+len(text) > chunkBytes {
		s.chunks = append(s.chunks, make([]byte, 0, chunkBytes))
		last++
	}
	place := uint64(last)<<16 | uint64(len(s.chunks[last]))
	s.chunks[last] = append(s.chunks[last], text...)
	return place
}

// Frames returns the addresses of a stack, innermost first, and whether it has more callers
// than these. It returns nil for an unknown stack.
func (s *Store) Frames(id event.StackID) (frames []uint64, truncated bool) {
	frames, _, truncated = s.FramesIn(id)
	return frames, truncated
}

// FramesIn is Frames and the code that each frame lies in, nil if all lie in event.FirstCode.
func (s *Store) FramesIn(id event.StackID) (frames []uint64, codes []event.CodeID, truncated bool) {
	place, ok := s.places[id]
	if !ok {
		return nil, nil, false
	}
	r := s.reader(place)
	frames = make([]uint64, r.head>>headBits)
	for i := range frames {
		frames[i] = r.next()
	}
	if r.head&headServed != 0 {
		r.skip(1)
	}
	if r.head&headCodes != 0 {
		codes = make([]event.CodeID, len(frames))
		for i := range codes {
			codes[i] = event.CodeID(r.next())
		}
	}
	return frames, codes, r.head&headTruncated != 0
}

// Server returns the function that served a stack's allocations, 0 if there is none, and the code
// that it lies in.
func (s *Store) Server(id event.StackID) (server uint64, code event.CodeID) {
	place, ok := s.places[id]
	if !ok {
		return 0, event.FirstCode
	}
	r := s.reader(place)
	if r.head&headServed == 0 {
		return 0, event.FirstCode
	}
	frames := int(r.head >> headBits)
	r.skip(frames)
	server = r.next()
	if r.head&headCodes != 0 {
		r.skip(frames)
		code = event.CodeID(r.next())
	}
	return server, code
}

// reader reads the text of a stack.
type reader struct {
	store *Store
	head  uint64
	text  []byte
}

func (s *Store) reader(place uint64) reader {
	text := s.chunks[place>>16][place&math.MaxUint16:]
	head, n := binary.Uvarint(text)
	return reader{s, head, text[n:]}
}

// next reads a number and returns the address.
func (r *reader) next() uint64 {
	number, n := binary.Uvarint(r.text)
	r.text = r.text[n:]
	return r.store.addresses[number]
}

// skip passes over so many numbers.
func (r *reader) skip(numbers int) {
	for range numbers {
		for r.text[0] >= 0x80 {
			r.text = r.text[1:]
		}
		r.text = r.text[1:]
	}
}

// Has reports whether the Store has a stack.
func (s *Store) Has(id event.StackID) bool {
	_, ok := s.places[id]
	return ok
}

// Each calls f with the ID of every stack, in no order.
func (s *Store) Each(f func(event.StackID)) {
	for id := range s.places {
		f(id)
	}
}

// Len returns the number of stacks.
func (s *Store) Len() int { return len(s.places) }

// MemoryBytes returns about how much memory the Store takes.
func (s *Store) MemoryBytes() uint64 {
	return uint64(len(s.places))*stackBytes + uint64(len(s.addresses))*addressBytes + uint64(len(s.chunks))*chunkBytes
}

// Without returns a Store of the stacks that are not in gone. It leaves s unchanged.
func (s *Store) Without(gone map[event.StackID]struct{}) *Store {
	kept := &Store{places: make(map[event.StackID]uint64, max(len(s.places)-len(gone), 0))}
	// If addresses take much of the memory, drop those that only gone stacks use.
	renumber := uint64(len(s.addresses))*addressBytes > s.MemoryBytes()/4
	if renumber {
		kept.numbers = make(map[uint64]uint32)
	} else {
		kept.addresses, kept.numbers = slices.Clone(s.addresses), maps.Clone(s.numbers)
	}
	for id, place := range s.places {
		if _, ok := gone[id]; ok {
			continue
		}
		if renumber {
			frames, codes, truncated := s.FramesIn(id)
			server, code := s.Server(id)
			if server != 0 && codes != nil {
				codes = append(codes, code)
			}
			kept.AddIn(id, server, frames, codes, truncated)
		} else {
			kept.places[id] = kept.write(s.text(place))
		}
	}
	return kept
}

// text returns the text of the stack that begins at place.
func (s *Store) text(place uint64) []byte {
	r := s.reader(place)
	numbers := int(r.head >> headBits)
	if r.head&headServed != 0 {
		numbers++
	}
	if r.head&headCodes != 0 {
		numbers *= 2
	}
	r.skip(numbers)
	text := s.chunks[place>>16][place&math.MaxUint16:]
	return text[:len(text)-len(r.text)]
}
