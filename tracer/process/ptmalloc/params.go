package ptmalloc

import (
	"encoding/binary"
	"fmt"
)

// Params is a snapshot of malloc's parameters and of the count of blocks that have their own
// mappings (struct malloc_par).
type Params struct {
	// MmapThreshold is the chunk size in bytes from which a request is served by a mapping
	// (M_MMAP_THRESHOLD).
	MmapThreshold uint64
	// TrimThreshold is how many bytes may be free at the top of the brk heap before they are
	// given back (M_TRIM_THRESHOLD). TopPad is how many bytes are requested from the kernel
	// beyond the need (M_TOP_PAD).
	TrimThreshold, TopPad uint64
	// MmapMax is the most blocks that may have their own mapping (M_MMAP_MAX).
	MmapMax int32
	// MmappedBlocks is how many have one, and MmappedBytes the size of the mappings.
	MmappedBlocks int32
	MmappedBytes  uint64
	// SbrkBase is where the main arena's first memory starts. It is 0 if there is none yet or
	// the layout is ambiguous.
	SbrkBase uint64
	// Dynamic: freeing a mapped block above the threshold, up to 32 MiB, raises the threshold
	// to the size of that block.
	Dynamic bool
	// FrozenBy says, if Dynamic is false, what set one of the parameters: names of environment
	// variables and tunables, or "mallopt".
	FrozenBy []string
	// Source is how mp_ was found: SourceSymbol or SourceImage.
	Source string
}

// Params reads malloc's parameters.
func (h *Heap) Params() (Params, error) {
	p, err := h.readParams()
	if err != nil {
		return Params{}, err
	}
	if !p.Dynamic && h.freeze != nil {
		if err := h.freeze(&p); err != nil {
			return Params{}, err
		}
	}
	return p, h.alive()
}

func (h *Heap) readParams() (Params, error) {
	l := &h.Layout.params
	// sbrk_base, where its offset is known, is the last word that is used.
	s := []span{{Addr: h.bias + h.Layout.Params, Buf: make([]byte, max(l.sbrkBase, l.mmappedMem)+8), Own: true}}
	h.mem.Read(s)
	if !s[0].OK {
		return Params{}, fmt.Errorf("read mp_ of process %d at %#x: not readable", h.PID, s[0].Addr)
	}
	u32 := func(off uint64) int32 { return int32(binary.LittleEndian.Uint32(s[0].Buf[off:])) }
	p := Params{
		TrimThreshold: s[0].Word(0),
		TopPad:        s[0].Word(8),
		MmapThreshold: s[0].Word(16),
		MmappedBlocks: u32(l.mmaps),
		MmapMax:       u32(l.mmaps + 4),
		MmappedBytes:  s[0].Word(l.mmappedMem),
		Dynamic:       u32(l.noDyn) == 0,
		Source:        h.Layout.ParamsSource,
	}
	if l.sbrkBase != 0 {
		p.SbrkBase = s[0].Word(l.sbrkBase)
	}
	return p, nil
}
