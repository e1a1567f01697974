package ptmalloc

import (
	"errors"
	"fmt"
)

// These are the errors of Locate and Open. They are wrapped with the details.
var (
	// ErrNotGlibc: the allocator is not glibc's.
	ErrNotGlibc = errors.New("allocator is not glibc's malloc")
	// ErrVersion: it is a glibc whose layouts are not known here.
	ErrVersion = errors.New("unknown glibc version")
	// ErrNotFound: malloc's variables are not where, or not as, they were expected.
	ErrNotFound = errors.New("malloc's state not found")
)

// Version is a glibc version. The zero Version means unknown, as in static programs.
type Version struct{ Major, Minor int }

// These are the first and the last version whose layouts are known.
var (
	oldest = Version{2, 17}
	newest = Version{2, 43}
)

func (v Version) String() string {
	if v == (Version{}) {
		return "unknown"
	}
	return fmt.Sprintf("%d.%d", v.Major, v.Minor)
}

func (v Version) before(o Version) bool {
	return v.Major < o.Major || v.Major == o.Major && v.Minor < o.Minor
}

// Layout says where a file's malloc keeps its state. Addresses are those in the file; in a
// process they are shifted by a constant.
type Layout struct {
	// Version is the version that the file states.
	Version Version
	// Params is the address of mp_, and ParamsSource how it was found: SourceSymbol or
	// SourceImage.
	Params       uint64
	ParamsSource string
	// MainArena is the address of main_arena, and ArenaSource how it was found: "symbol" or
	// "image". MainArena is 0 if it was not found; ArenaError then says why.
	MainArena   uint64
	ArenaSource string
	ArenaError  error

	params paramsLayout
	arena  arenaLayout
	fast   mangling
	tls    tlsLayout
}

// These are the values of Layout.ParamsSource and Params.Source.
const (
	SourceSymbol = "mp_ symbol"
	SourceImage  = "mp_ image"
)

// paramsLayout is the layout of struct malloc_par. In all versions its first three words are
// trim_threshold, top_pad and mmap_threshold.
type paramsLayout struct {
	// These are offsets. n_mmaps and n_mmaps_max are adjacent 32-bit numbers, no_dyn_threshold
	// has 32 bits, and the others are words.
	mmaps, noDyn, mmappedMem, sbrkBase uint64
	// size is sizeof. The size of a symbol tells layouts apart.
	size uint64
}

// paramsLayouts are those of glibc 2.17 to 2.43, in order of version. max_total_mem went away
// in 2.24, the tcache fields came in 2.26, those for huge pages in 2.35, and thp_mode in 2.43.
var paramsLayouts = []struct {
	from Version
	paramsLayout
}{
	{Version{2, 17}, paramsLayout{mmaps: 40, noDyn: 52, mmappedMem: 56, sbrkBase: 80, size: 88}},
	{Version{2, 24}, paramsLayout{mmaps: 40, noDyn: 52, mmappedMem: 56, sbrkBase: 72, size: 80}},
	{Version{2, 26}, paramsLayout{mmaps: 40, noDyn: 52, mmappedMem: 56, sbrkBase: 72, size: 112}},
	{Version{2, 35}, paramsLayout{mmaps: 60, noDyn: 72, mmappedMem: 80, sbrkBase: 96, size: 136}},
	{Version{2, 43}, paramsLayout{mmaps: 68, noDyn: 80, mmappedMem: 88, sbrkBase: 104, size: 144}},
}

// These are the bins of an arena (malloc.c, NBINS and NFASTBINS). Bin 0 does not exist; bin 1
// is the unsorted one.
const (
	binCount  = 128
	fastCount = 10
)

// arenaLayout is the layout of struct malloc_state. In all versions the flags follow the
// mutex, and next is followed by next_free, attached_threads if it exists, system_mem and
// max_system_mem.
type arenaLayout struct {
	// These are offsets. fast is 0 if there are no fastbins.
	fast, top, bins, next uint64
	// attached: there is an attached_threads. It came in 2.23 and was backported; the initial
	// image tells.
	attached bool
}

const (
	arenaFlags    = 4
	nonContiguous = 2
)

func (l *arenaLayout) systemMem() uint64 {
	if l.attached {
		return l.next + 24
	}
	return l.next + 16
}

func (l *arenaLayout) size() uint64 { return l.systemMem() + 16 }

// arenaLayouts are two of glibc up to 2.26, one of 2.27 to 2.42, and one of 2.43.
// have_fastchunks came in 2.27, and the fastbins went away in 2.43.
var arenaLayouts = []arenaLayout{
	{fast: 8, top: 88, bins: 104, next: 2152},
	{fast: 8, top: 88, bins: 104, next: 2152, attached: true},
	{fast: 16, top: 96, bins: 112, next: 2160, attached: true},
	{top: 8, bins: 24, next: 2072, attached: true},
}

// mangling says how links in fastbins are stored: from 2.32 as link ^ (address of the link >>
// 12) (PROTECT_PTR).
type mangling uint8

const (
	manglingUnknown mangling = iota
	manglingNone
	manglingShift
)

func (l *Layout) mangling() mangling {
	switch {
	case l.Version != (Version{}) && l.Version.before(Version{2, 32}), l.arena.next == arenaLayouts[0].next:
		return manglingNone
	case l.Version != (Version{}), l.params.mmaps > paramsLayouts[0].mmaps:
		return manglingShift
	}
	return manglingUnknown
}

// checkVersion rejects versions whose layouts are not known.
func checkVersion(v Version) error {
	if v == (Version{}) || !v.before(oldest) && !newest.before(v) {
		return nil
	}
	return fmt.Errorf("%w: %v (known are %v to %v)", ErrVersion, v, oldest, newest)
}
