package ptmalloc

import (
	"errors"
	"fmt"
)

// Errors of Locate and Open. They are wrapped with the particulars.
var (
	// ErrNotGlibc: the allocator is not glibc's.
	ErrNotGlibc = errors.New("allocator is not glibc's malloc")
	// ErrVersion: it is a glibc whose layouts are not known here.
	ErrVersion = errors.New("unknown glibc version")
	// ErrNotFound: malloc's variables are not where and as they were expected.
	ErrNotFound = errors.New("malloc's state not found")
)

// Version is a glibc version. Zero: not known, as in static programs.
type Version struct{ Major, Minor int }

// Versions whose layouts are known.
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

// Layout is where a file's malloc keeps its state. Addresses are those in the
// file: a process has them at a constant distance.
type Layout struct {
	// Version is what the file says of itself.
	Version Version
	// Params is the address of mp_, and ParamsSource how it was found:
	// SourceSymbol or SourceImage.
	Params       uint64
	ParamsSource string
	// MainArena is the address of main_arena, found by ArenaSource: "symbol" or
	// "image". It is 0 where it was not found, and ArenaError says why.
	MainArena   uint64
	ArenaSource string
	ArenaError  error

	params paramsLayout
	arena  arenaLayout
	fast   mangling
	tls    tlsLayout
}

// Values of Layout.ParamsSource and Params.Source.
const (
	SourceSymbol = "mp_ symbol"
	SourceImage  = "mp_ image"
)

// paramsLayout is struct malloc_par: trim_threshold, top_pad and mmap_threshold
// are its first three words in all versions.
type paramsLayout struct {
	// Offsets: n_mmaps and n_mmaps_max are 32 bits and neighbours, the others
	// are no_dyn_threshold, 32 bits, and words.
	mmaps, noDyn, mmappedMem, sbrkBase uint64
	// size is sizeof: a symbol's size tells layouts apart.
	size uint64
}

// paramsLayouts are those of glibc 2.17 to 2.43, in the order of versions.
// max_total_mem went in 2.24, the tcache fields came in 2.26, those for huge
// pages in 2.35, thp_mode in 2.43.
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

// Bins of an arena (malloc.c, NBINS and NFASTBINS): bin 0 does not exist, bin 1
// is the unsorted one.
const (
	binCount  = 128
	fastCount = 10
)

// arenaLayout is struct malloc_state. Behind the mutex come the flags in all
// versions, and behind next come next_free, attached_threads where there is
// one, system_mem and max_system_mem.
type arenaLayout struct {
	// Offsets. fast is 0 where there are no fastbins.
	fast, top, bins, next uint64
	// attached: there is an attached_threads. It came in 2.23 (and was carried
	// back): the initial image tells.
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

// arenaLayouts are those of glibc up to 2.26, of 2.27 to 2.42, of 2.43.
// have_fastchunks came in 2.27, the fastbins went in 2.43.
var arenaLayouts = []arenaLayout{
	{fast: 8, top: 88, bins: 104, next: 2152},
	{fast: 8, top: 88, bins: 104, next: 2152, attached: true},
	{fast: 16, top: 96, bins: 112, next: 2160, attached: true},
	{top: 8, bins: 24, next: 2072, attached: true},
}

// mangling says how links in fastbins are stored: from 2.32 as
// link ^ (where it is stored >> 12) (PROTECT_PTR).
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

// checkVersion refuses versions whose layouts are not known.
func checkVersion(v Version) error {
	if v == (Version{}) || !v.before(oldest) && !newest.before(v) {
		return nil
	}
	return fmt.Errorf("%w: %v (known are %v to %v)", ErrVersion, v, oldest, newest)
}
