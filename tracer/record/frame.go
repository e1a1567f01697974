package record

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"
)

// Version is that of the format. A reader refuses later ones.
const Version = 1

var magic = [16]byte{'m', 'e', 'm', 't', 'r', 'a', 'c', 'e', ' ', 'r', 'e', 'c', 'o', 'r', 'd', '\n'}

const (
	// headSize is that of the head of a file: magic, version, padding, checksum.
	headSize = 24
	// headerSize is that of the header of a frame.
	headerSize = 24
	// mostPayload bounds a payload, compressed and not: what a reader takes into memory at once.
	mostPayload = 256 << 20
)

type frameType byte

const (
	frameInfo        frameType = 'I'
	frameDefinitions frameType = 'D'
	frameKey         frameType = 'K'
	frameChanges     frameType = 'S'
	frameMark        frameType = 'M'
	frameRestart     frameType = 'R'
	frameEnd         frameType = 'E'
)

// frameExact is the flag of a snapshot in which every figure is exact.
const frameExact byte = 1

// ErrForeign is returned for a file that is no record.
var ErrForeign = errors.New("not a record of memtrace")

// NewerError is returned for a record in a later version of the format.
type NewerError struct{ Version int }

func (e *NewerError) Error() string {
	return fmt.Sprintf("the record is of a newer memtrace (its format is %d, and this one reads up to %d)", e.Version, Version)
}

// errDamaged is returned where checksums do not match or a payload makes no sense.
var errDamaged = errors.New("the record is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func head() []byte {
	h := make([]byte, headSize)
	copy(h, magic[:])
	binary.LittleEndian.PutUint16(h[16:], Version)
	binary.LittleEndian.PutUint32(h[20:], crc32.Checksum(h[:20], castagnoli))
	return h
}

// checkHead returns why a file that begins with h is not read. A file that was cut off within its
// head is an empty record.
func checkHead(h []byte) error {
	if n := min(len(h), len(magic)); n == 0 || !bytes.Equal(h[:n], magic[:n]) {
		return ErrForeign
	}
	if len(h) < headSize {
		return io.ErrUnexpectedEOF
	}
	if crc32.Checksum(h[:20], castagnoli) != binary.LittleEndian.Uint32(h[20:]) {
		return errDamaged
	}
	if v := int(binary.LittleEndian.Uint16(h[16:])); v > Version {
		return &NewerError{v}
	}
	return nil
}

// header is that of a frame.
type header struct {
	length uint32 // of the compressed payload
	kind   frameType
	flags  byte
	time   int64 // Unix ns of what it is about
	sum    uint32
}

func (h *header) at() time.Time { return time.Unix(0, h.time) }

// snapshot reports whether the frame is one.
func (h *header) snapshot() bool { return h.kind == frameKey || h.kind == frameChanges }

// appendFrame appends a frame with an already compressed payload.
func appendFrame(to []byte, kind frameType, flags byte, at time.Time, payload []byte) []byte {
	var h [headerSize]byte
	binary.LittleEndian.PutUint32(h[0:], uint32(len(payload)))
	h[4], h[5] = byte(kind), flags
	binary.LittleEndian.PutUint64(h[8:], uint64(at.UnixNano()))
	binary.LittleEndian.PutUint32(h[16:], crc32.Checksum(payload, castagnoli))
	binary.LittleEndian.PutUint32(h[20:], crc32.Checksum(h[:20], castagnoli))
	return append(append(to, h[:]...), payload...)
}

// parseHeader reads a header; ok is false where there is none.
func parseHeader(h []byte) (header, bool) {
	if len(h) < headerSize || crc32.Checksum(h[:20], castagnoli) != binary.LittleEndian.Uint32(h[20:]) {
		return header{}, false
	}
	return header{
		length: binary.LittleEndian.Uint32(h[0:]), kind: frameType(h[4]), flags: h[5],
		time: int64(binary.LittleEndian.Uint64(h[8:])), sum: binary.LittleEndian.Uint32(h[16:]),
	}, true
}

// compressors are kept because each takes much memory.
var compressors = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is valid
	}
	return w
}}

// compress compresses a payload with the help of what a reader knows already.
func compress(raw, known []byte) []byte {
	var out bytes.Buffer
	w := compressors.Get().(*flate.Writer)
	defer compressors.Put(w)
	w.Reset(&out)
	write := func(text []byte, end func() error) {
		if _, err := w.Write(text); err != nil {
			panic(err) // memory takes all
		}
		if err := end(); err != nil {
			panic(err)
		}
	}
	if len(known) > 0 {
		write(known, w.Flush) // up to here a reader has it as its dictionary
		out.Reset()
	}
	write(raw, w.Close)
	return out.Bytes()
}

// expand is the opposite of compress.
func expand(packed, known []byte) ([]byte, error) { return expandUpTo(mostPayload, packed, known) }

// expandUpTo expands to so many bytes at most.
func expandUpTo(most int64, packed, known []byte) ([]byte, error) {
	var out bytes.Buffer
	n, err := out.ReadFrom(io.LimitReader(flate.NewReaderDict(bytes.NewReader(packed), known), most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	case n > most:
		return nil, fmt.Errorf("%w: a frame is too large", errDamaged)
	}
	return out.Bytes(), nil
}
