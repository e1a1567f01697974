package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Sizes and offsets of the records, as in bpf/event.h.
const (
	headerSize = 24
	shortSize  = headerSize + 8
	longSize   = headerSize + 32
	stackSize  = headerSize + 16 // without the frames
	codeSize   = headerSize + 48
	restSize   = headerSize + 40 // without the data
	// chunkUnit is the unit of chunk sizes, in bytes: the alignment of glibc's malloc.
	chunkUnit = 16
	// MaxFrames is the most frames that a Stack carries.
	MaxFrames = 127
)

// ErrMalformed is returned for a record that no probe of this version sends.
var ErrMalformed = errors.New("malformed event record")

// Decode fills e from one record. It keeps raw only as e.Data, and allocates only to grow e.Frames and
// for the path of a Code event.
// The error wraps ErrMalformed.
func Decode(raw []byte, e *Event) error {
	if len(raw) < shortSize {
		return fmt.Errorf("%w: %d bytes", ErrMalformed, len(raw))
	}
	le := binary.LittleEndian
	e.Kind = Kind(raw[0])
	e.Flags = Flags(raw[1])
	e.PID = le.Uint32(raw[4:])
	e.TID = le.Uint32(raw[8:])
	e.Time = le.Uint64(raw[16:])
	e.Frames, e.Data = e.Frames[:0], nil
	e.File, e.SP, e.BP, e.Number, e.Server = File{}, 0, 0, 0, 0
	switch e.Kind {
	case Free, ReallocEnter, ReallocFail, Exec, Fork, Exit:
		e.Addr = le.Uint64(raw[headerSize:])
		e.Size = SizeOf(e.Kind, le.Uint32(raw[12:]))
		e.Stack, e.Arg = 0, 0
		if e.Flags&Sampled == 0 {
			return nil
		}
		if e.Kind != Free || len(raw) < longSize {
			return fmt.Errorf("%w: kind %d in %d bytes, sampled", ErrMalformed, e.Kind, len(raw))
		}
		e.Stack, e.Arg = StackID(le.Uint64(raw[headerSize+16:])), le.Uint64(raw[headerSize+24:])
	case Alloc, Realloc, Mmap, Munmap, MunmapFail, MremapEnter, Mremap, MremapFail, Brk, Mprotect, Fault, Shmat, Shmdt, Returned:
		if len(raw) < longSize {
			return fmt.Errorf("%w: kind %d in %d bytes", ErrMalformed, e.Kind, len(raw))
		}
		e.Addr = le.Uint64(raw[headerSize:])
		e.Size = le.Uint64(raw[headerSize+8:])
		e.Stack = StackID(le.Uint64(raw[headerSize+16:]))
		e.Arg = le.Uint64(raw[headerSize+24:])
		e.Number = le.Uint32(raw[12:])
	case Stack:
		return decodeStack(raw, e)
	case Code:
		return decodeCode(raw, e)
	case Rest:
		return decodeRest(raw, e)
	default:
		return fmt.Errorf("%w: kind %d", ErrMalformed, e.Kind)
	}
	return nil
}

// SizeOf returns the Size of an event that has no field for it, from what is extra in its header.
func SizeOf(kind Kind, extra uint32) uint64 {
	if kind == Fork {
		return uint64(extra)
	}
	return uint64(extra) * chunkUnit
}

func decodeRest(raw []byte, e *Event) error {
	if len(raw) < restSize {
		return fmt.Errorf("%w: kind %d in %d bytes", ErrMalformed, e.Kind, len(raw))
	}
	le := binary.LittleEndian
	e.Stack = StackID(le.Uint64(raw[headerSize:]))
	e.Addr, e.Arg = le.Uint64(raw[headerSize+8:]), 0
	e.SP, e.BP = le.Uint64(raw[headerSize+16:]), le.Uint64(raw[headerSize+24:])
	e.Size = le.Uint64(raw[headerSize+32:])
	if e.Size > uint64(len(raw)-restSize) {
		return fmt.Errorf("%w: %d bytes of a stack in %d bytes", ErrMalformed, e.Size, len(raw))
	}
	e.Data = raw[restSize:][:e.Size]
	return nil
}

func decodeStack(raw []byte, e *Event) error {
	// The ring rounds a record up to 8 bytes, the size of a frame.
	if len(raw) < stackSize || len(raw)%8 != 0 || (len(raw)-stackSize)/8 > MaxFrames {
		return fmt.Errorf("%w: stack in %d bytes", ErrMalformed, len(raw))
	}
	frames := raw[stackSize:]
	e.Addr, e.Size, e.Arg = 0, 0, 0
	e.Stack, e.Server = StackID(binary.LittleEndian.Uint64(raw[headerSize:])), binary.LittleEndian.Uint64(raw[headerSize+8:])
	for ; len(frames) > 0; frames = frames[8:] {
		e.Frames = append(e.Frames, binary.LittleEndian.Uint64(frames))
	}
	return nil
}

func decodeCode(raw []byte, e *Event) error {
	if len(raw) < codeSize {
		return fmt.Errorf("%w: code in %d bytes", ErrMalformed, len(raw))
	}
	le := binary.LittleEndian
	e.Addr, e.Size, e.Arg = le.Uint64(raw[headerSize:]), le.Uint64(raw[headerSize+8:]), le.Uint64(raw[headerSize+16:])
	e.Stack = 0
	dev := le.Uint64(raw[headerSize+24:]) // MKDEV of the kernel's include/linux/kdev_t.h
	e.File = File{Dev: unix.Mkdev(uint32(dev>>20), uint32(dev&(1<<20-1))), Inode: le.Uint64(raw[headerSize+32:]), Generation: le.Uint64(raw[headerSize+40:])}
	if e.Flags&Truncated == 0 {
		e.File.Path = path(raw[codeSize:])
	}
	return nil
}

// path joins names that lead up to the root.
func path(text []byte) string {
	names := bytes.Split(text[:max(bytes.LastIndexByte(text, 0), 0)], []byte{0})
	slices.Reverse(names)
	return "/" + string(bytes.Join(names, []byte("/")))
}
