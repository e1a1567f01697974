package elffile

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"errors"
	"fmt"
	"io"
)

const (
	compressionHeaderSize = 24
	// maxInflated is the most that one compressed section may expand to, in bytes.
	maxInflated = 64 << 20
	// maxRatio is above the best ratio of DEFLATE (1,032 to 1).
	maxRatio = 1100
)

// ErrCompression means that the compression of a section is not supported.
var ErrCompression = errors.New("unsupported compression")

// Reader returns the contents of a section, or nil if it has none. A compressed section is
// decompressed and held in memory.
func (f *File) Reader(s *elf.SectionHeader) (*io.SectionReader, error) {
	if s == nil || s.Type == elf.SHT_NOBITS || s.Size == 0 {
		return nil, nil
	}
	if s.Offset > f.size || s.Size > f.size-s.Offset {
		return nil, fmt.Errorf("section %.32q: %w", s.Name, ErrMalformed)
	}
	raw := io.NewSectionReader(f.r, int64(s.Offset), int64(s.Size))
	if s.Flags&elf.SHF_COMPRESSED == 0 {
		return raw, nil
	}
	data, err := f.inflate(raw, s.Size)
	if err != nil {
		return nil, fmt.Errorf("decompress section %.32q: %w", s.Name, err)
	}
	return io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))), nil
}

// Data returns the contents of a section of at most limit bytes, decompressed if necessary, or
// nil if it has none.
func (f *File) Data(s *elf.SectionHeader, limit uint64) ([]byte, error) {
	r, err := f.Reader(s)
	if r == nil || err != nil {
		return nil, err
	}
	n := uint64(r.Size())
	if n > limit {
		return nil, fmt.Errorf("section %.32q has %d bytes: %w", s.Name, n, ErrBudget)
	}
	if err := f.budget.Work(n); err != nil {
		return nil, err
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("read section %.32q: %w", s.Name, err)
	}
	return data, nil
}

func (f *File) inflate(r *io.SectionReader, size uint64) ([]byte, error) {
	var raw [compressionHeaderSize]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return nil, err
	}
	var h elf.Chdr64
	decode(raw[:], &h)
	if elf.CompressionType(h.Type) != elf.COMPRESS_ZLIB {
		return nil, fmt.Errorf("%w %v", ErrCompression, elf.CompressionType(h.Type))
	}
	if h.Size > maxInflated || h.Size/maxRatio > size {
		return nil, ErrMalformed
	}
	if err := f.budget.Work(h.Size); err != nil {
		return nil, err
	}
	if err := f.budget.Keep(h.Size); err != nil {
		return nil, err
	}
	data := make([]byte, h.Size)
	z, err := zlib.NewReader(r)
	if err == nil {
		_, err = io.ReadFull(z, data)
	}
	if err != nil {
		f.budget.Release(h.Size)
		return nil, err
	}
	return data, nil
}
