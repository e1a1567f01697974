package record

import (
	"encoding/json"
	"slices"

	"memtrace/tracer/report"
)

const (
	// mostText bounds the bytes of all definitions, mostDefined the number of each thing that is defined.
	mostText    = 512 << 20
	mostDefined = 1 << 22
	mostFrames  = 1 << 14 // of a stack, with inlined ones
)

// stackNames is the definition of a stack.
type stackNames struct {
	process                uint32
	id                     string
	truncated, inAllocator bool
	own                    int
	frames                 []uint32
}

// definitions is what a reader knows.
type definitions struct {
	strings []string
	bytes   int // of all definitions
	frames  []report.Frame
	stacks  map[uint32]*stackNames
	modules map[uint32][]report.Module
}

func newDefinitions() *definitions {
	return &definitions{strings: []string{""}, stacks: make(map[uint32]*stackNames), modules: make(map[uint32][]report.Module)}
}

// number implements textTable.
func (d *definitions) number(string) uint64 { return 0 } // nothing is written while it is read

func (d *definitions) text(number uint64) string {
	if number < uint64(len(d.strings)) {
		return d.strings[number]
	}
	return ""
}

// add reads a frame of definitions.
func (d *definitions) add(raw []byte) error {
	c := &cursor{left: raw}
	if d.bytes += len(raw); d.bytes > mostText {
		c.fail("too many names")
	}
	for len(c.left) > 0 && c.err == nil {
		switch c.byte() {
		case defineString:
			if d.strings = append(d.strings, c.text()); len(d.strings) > mostDefined {
				c.fail("too many names")
			}
		case defineFrame:
			d.frame(c)
		case defineStack:
			d.stack(c)
		case defineModules:
			process, text := c.number(), c.text()
			var modules []report.Module
			if err := json.Unmarshal([]byte(text), &modules); err != nil {
				c.fail("its modules make no sense")
			}
			d.modules[uint32(process)] = modules
		default:
			c.fail("a definition of an unknown type")
		}
	}
	return c.err
}

func (d *definitions) frame(c *cursor) {
	f := report.Frame{Function: d.text(c.number()), Module: d.text(c.number()), File: d.text(c.number())}
	f.Address, f.Offset, f.Line = c.number(), c.number(), int(unzigzag(c.number()))
	flags := c.number()
	f.Inline, f.Library = flags&1 != 0, flags&2 != 0
	if d.frames = append(d.frames, f); len(d.frames) > mostDefined {
		c.fail("too many frames")
	}
}

func (d *definitions) stack(c *cursor) {
	number := c.within(mostDefined, "stacks")
	s := &stackNames{process: uint32(c.number()), id: c.text()}
	flags := c.byte()
	s.truncated, s.inAllocator, s.own = flags&1 != 0, flags&2 != 0, c.within(mostFrames, "frames")
	n := c.within(min(mostFrames, len(c.left)), "frames of a stack")
	s.frames = make([]uint32, 0, n)
	for range n {
		f := c.number()
		if f >= uint64(len(d.frames)) {
			c.fail("a stack has a frame that is not defined")
			return
		}
		s.frames = append(s.frames, uint32(f))
	}
	if s.own >= max(n, 1) {
		c.fail("a stack's own frame is none of its frames")
		return
	}
	d.stacks[uint32(number)] = s
}

// framesOf returns the frames of a stack.
func (d *definitions) framesOf(s *stackNames) []report.Frame {
	frames := make([]report.Frame, 0, len(s.frames))
	for _, f := range s.frames {
		frames = append(frames, d.frames[f])
	}
	return slices.Clip(frames)
}
