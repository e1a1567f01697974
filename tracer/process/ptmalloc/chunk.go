package ptmalloc

import "math"

// Header is the word before a block that malloc returned: the size of the chunk, with three
// flags in its low bits.
type Header uint64

// These are the flags of a Header (malloc.c, PREV_INUSE and following).
const (
	// PrevInUse: the chunk before this one in memory is in use.
	PrevInUse Header = 1 << iota
	// IsMmapped: the chunk is a mapping of its own.
	IsMmapped
	// NonMainArena: the chunk is in an arena other than the main one.
	NonMainArena

	headerFlags = PrevInUse | IsMmapped | NonMainArena
)

const (
	// HeaderOffset is the distance in bytes from a header to its block.
	HeaderOffset = 8
	// chunkHeader is the distance in bytes from the start of a chunk to its block.
	chunkHeader = 16
	alignment   = 16
	minChunk    = 32
)

// Size returns the size of the chunk in bytes. The size of a mapped chunk is that of the
// mapping, less what memalign left at its start and, from 2.43, less 16 bytes.
func (h Header) Size() uint64 { return uint64(h &^ headerFlags) }

// Plausible reports whether malloc could have written the header. The size must be aligned and
// not below the smallest, and the chunk cannot be both a mapping and in a non-main arena.
func (h Header) Plausible() bool {
	return h.Size()%alignment == 0 && h.Size() >= minChunk && h&(IsMmapped|NonMainArena) != IsMmapped|NonMainArena
}

// Served is the way malloc got the memory of a block.
type Served uint8

const (
	// ServedBrk: from the heap grown by brk, [heap] in /proc/PID/maps.
	ServedBrk Served = iota
	// ServedArena: from memory that malloc mapped to carve blocks from.
	ServedArena
	// ServedMmap: by a mapping of its own.
	ServedMmap
)

func (s Served) String() string {
	return [...]string{"brk", "arena", "mmap"}[s]
}

// BrkRange is the address range that brk has grown to, start_brk..brk. It is empty if the
// process has not called brk.
type BrkRange struct{ Start, End uint64 }

// Contains reports whether an address is in the range.
func (r BrkRange) Contains(addr uint64) bool { return addr >= r.Start && addr < r.End }

// Serve tells from a block's address and header how the block was served. If brk fails, the
// main arena continues in mappings of at least 1 MiB, and the arenas of dlmopen namespaces
// never use brk. Such chunks have neither flag and lie outside the brk range. They are
// ServedArena, because they share a mapping with others, as the chunks of thread arenas do.
func Serve(addr uint64, h Header, brk BrkRange) Served {
	switch {
	case h&IsMmapped != 0:
		return ServedMmap
	case h&NonMainArena == 0 && brk.Contains(addr):
		return ServedBrk
	}
	return ServedArena
}

// ChunkSize returns the size in bytes of the chunk that malloc looks for to serve a request of
// this many bytes (checked_request2size). Requests above PTRDIFF_MAX fail.
func ChunkSize(request uint64) (size uint64, ok bool) {
	if request > math.MaxInt64 {
		return 0, false
	}
	return max(minChunk, (request+HeaderOffset+alignment-1)&^(alignment-1)), true
}

// Taken returns the bytes of its heap that malloc takes for a request that it served so: those
// of the chunk, or of the mapping (sysmalloc_mmap) in pages of 4096 bytes. A chunk that was
// free before may be 16 bytes larger, where no chunk fits into the rest.
func Taken(request uint64, how Served) uint64 {
	const page = 4096
	size, ok := ChunkSize(request)
	if !ok {
		return request
	}
	if how == ServedMmap {
		return (size + HeaderOffset + page - 1) &^ (page - 1)
	}
	return size
}

// OverThreshold reports whether malloc serves a request of this size by a mapping, provided
// that it finds no free chunk for it and M_MMAP_MAX is not reached (sysmalloc). With the
// default threshold of 131,072 bytes, the smallest such request is 131,049 bytes.
func OverThreshold(request, threshold uint64) bool {
	size, ok := ChunkSize(request)
	return ok && size >= threshold
}
