package ptmalloc

import (
	"encoding/binary"
	"fmt"
)

// Params is a snapshot of malloc's parameters and of the blocks that are
// mappings of their own (struct malloc_par).
type Params struct {
	// MmapThreshold is from what chunk size on, in bytes, a request is served
	// by a mapping (M_MMAP_THRESHOLD).
	MmapThreshold uint64
	// TrimThreshold is how much may be free at the top of the brk heap, in
	// bytes, before it is given back (M_TRIM_THRESHOLD), TopPad what is asked
	// of the kernel beyond the need (M_TOP_PAD).
	TrimThreshold, TopPad uint64
	// MmapMax is the most blocks that may be mappings (M_MMAP_MAX).
	MmapMax int32
	// MmappedBlocks is how many are, MmappedBytes the size of the mappings.
	MmappedBlocks int32
	MmappedBytes  uint64
	// SbrkBase is where the main arena's first memory starts; 0 where it has
	// none yet, or where the layout does not tell.
	SbrkBase uint64
	// Dynamic: freeing a mapped block above the threshold, and up to 32 MiB,
	// raises it to the size of that block.
	Dynamic bool
	// FrozenBy says, where Dynamic is false, what set one of the parameters:
	// names of environment variables and tunables, or "mallopt".
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
	// sbrk_base is the last word that is used, where it is known.
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
