package ptmalloc

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"memtrace/symbolize/elffile"
)

// Locate finds malloc's variables in a file: a libc.so.6, or a statically linked program. The
// variables are static, so a file has symbols for them only in .symtab, which is usually
// stripped. debugFolder, /usr/lib/debug or "", may have a separate debug file with the
// symbols. Without symbols, mp_ and main_arena are recognised by their initial contents, which
// must occur exactly once. Where there are symbols, the contents are checked too.
//
// The error wraps ErrNotGlibc, ErrVersion or ErrNotFound, or comes from reading the file.
func Locate(file io.ReaderAt, size int64, debugFolder string) (*Layout, error) {
	f, err := elffile.Open(file, size, elffile.NewFileBudget())
	if errors.Is(err, elffile.ErrForeign) {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("parse ELF file: %w", err)
	}
	if f.Machine != elf.EM_X86_64 && f.Machine != elf.EM_AARCH64 {
		return nil, fmt.Errorf("%w: layouts are those of x86-64 and arm64, not %v", ErrNotFound, f.Machine)
	}
	l := &Layout{}
	if l.Version, err = readVersion(f); err != nil {
		return nil, err
	}
	if err := checkVersion(l.Version); err != nil {
		return nil, err
	}
	img, err := readImage(f)
	if err != nil {
		return nil, err
	}
	symbols := symbolsNamed(f, "mp_", "main_arena")
	if len(symbols) == 0 {
		if file, debug, err := elffile.OpenDebug([]string{debugFolder}, f); err == nil {
			symbols = symbolsNamed(debug, "mp_", "main_arena")
			file.Close()
		}
	}
	if err := l.findParams(img, symbols["mp_"]); err != nil {
		return nil, err
	}
	l.findArena(img, symbols["main_arena"])
	l.tls = readTLS(f)
	l.fast = l.mangling()
	return l, nil
}

// paramsImage is the start of mp_ before the program runs: trim_threshold, top_pad,
// mmap_threshold, arena_test, arena_max (malloc.c, mp_).
var paramsImage = [5]uint64{128 << 10, 128 << 10, 128 << 10, 8, 0}

// mmapMaxDefault is n_mmaps_max before the program runs.
const mmapMaxDefault = 65536

func (l *Layout) findParams(img image, symbols []symbol) error {
	found := make(map[uint64]paramsLayout)
	for _, s := range symbols {
		if p, ok := l.paramsAt(img, s.addr, s.size); ok {
			found[s.addr] = p
		}
	}
	l.ParamsSource = SourceSymbol
	patterns := 0
	if len(found) == 0 {
		l.ParamsSource = SourceImage
		for addr := range img.paramsImages() {
			patterns++
			if p, ok := l.paramsAt(img, addr, 0); ok {
				found[addr] = p
			}
		}
	}
	switch {
	case len(found) == 1:
	case len(found) > 1:
		return fmt.Errorf("%w: %d places look like mp_", ErrNotFound, len(found))
	case l.Version == (Version{}):
		return fmt.Errorf("%w: the file has no version string of glibc and nothing like its mp_", ErrNotGlibc)
	case len(symbols) > 0:
		return fmt.Errorf("%w: glibc %v: mp_ is of none of the layouts known", ErrNotFound, l.Version)
	case patterns == 0:
		return fmt.Errorf("%w: glibc %v without a symbol for mp_ or data that starts like it", ErrNotFound, l.Version)
	default:
		return fmt.Errorf("%w: glibc %v: data that starts like mp_ does not go on like it", ErrNotFound, l.Version)
	}
	for addr, p := range found {
		l.Params, l.params = addr, p
	}
	return nil
}

// paramsImages yields the addresses of data that starts like mp_.
func (m image) paramsImages() func(yield func(uint64) bool) {
	var want [8 * len(paramsImage)]byte
	for i, v := range paramsImage {
		binary.LittleEndian.PutUint64(want[8*i:], v)
	}
	return func(yield func(uint64) bool) {
		for _, s := range m {
			for off := -s.addr & 7; off+uint64(len(want)) <= uint64(len(s.data)); off += 8 {
				if [len(want)]byte(s.data[off:]) == want && !yield(s.addr+off) {
					return
				}
			}
		}
	}
}

// paramsAt returns the layout of the mp_ at an address. The counters around n_mmaps_max must
// be zero, and n_mmaps_max must have its default. size is the size of a symbol, or 0. If size
// does not tell the layout, the version does; if neither does, sbrkBase is 0.
func (l *Layout) paramsAt(img image, addr, size uint64) (paramsLayout, bool) {
	var fit []int
	for i, p := range paramsLayouts {
		data := img.at(addr, p.sbrkBase+8)
		if data == nil || size != 0 && size != p.size {
			continue
		}
		u32 := func(off uint64) uint32 { return binary.LittleEndian.Uint32(data[off:]) }
		if u32(p.mmaps) == 0 && u32(p.mmaps+4) == mmapMaxDefault && u32(p.mmaps+8) == 0 && u32(p.noDyn) == 0 {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		return paramsLayout{}, false
	}
	best := paramsLayouts[fit[0]].paramsLayout
	if len(fit) > 1 && l.Version == (Version{}) {
		best.sbrkBase = 0
	}
	for _, i := range fit[1:] {
		if l.Version != (Version{}) && !l.Version.before(paramsLayouts[i].from) {
			best = paramsLayouts[i].paramsLayout
		}
	}
	return best, true
}

func (l *Layout) findArena(img image, symbols []symbol) {
	found := make(map[uint64]arenaLayout)
	for _, s := range symbols {
		if a, ok := img.arenaAt(s.addr, s.size); ok {
			found[s.addr] = a
		}
	}
	l.ArenaSource = "symbol"
	if len(found) == 0 {
		l.ArenaSource = "image"
		for addr := range img.pointersBack() {
			if a, ok := img.arenaAt(addr, 0); ok {
				found[addr] = a
			}
		}
	}
	if len(found) != 1 {
		l.ArenaSource = ""
		l.ArenaError = fmt.Errorf("%w: %d places look like main_arena", ErrNotFound, len(found))
		return
	}
	for addr, a := range found {
		l.MainArena, l.arena = addr, a
	}
}

// pointersBack yields the addresses that are pointed to from where the next field of an arena
// at that address would be.
func (m image) pointersBack() func(yield func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for _, s := range m {
			for off := -s.addr & 7; off+8 <= uint64(len(s.data)); off += 8 {
				addr := binary.LittleEndian.Uint64(s.data[off:])
				for i := range arenaLayouts {
					if addr+arenaLayouts[i].next == s.addr+off {
						if !yield(addr) {
							return
						}
						break
					}
				}
			}
		}
	}
}

// arenaAt returns the layout of the main_arena at an address. It must be all zeros, except for
// next, which points to the arena itself, and attached_threads, which is 1. size is the size
// of a symbol, or 0.
func (m image) arenaAt(addr, size uint64) (arenaLayout, bool) {
	for _, a := range arenaLayouts {
		data := m.at(addr, a.size())
		if data == nil || size != 0 && size != a.size() {
			continue
		}
		want := make([]byte, a.size())
		binary.LittleEndian.PutUint64(want[a.next:], addr)
		if a.attached {
			want[a.next+16] = 1
		}
		if string(data) == string(want) {
			return a, true
		}
	}
	return arenaLayout{}, false
}
