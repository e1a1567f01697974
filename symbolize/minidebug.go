package symbolize

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ulikunitz/xz/lzma"

	"memtrace/symbolize/elffile"
)

const (
	// maxMiniCompressed and maxMini bound .gnu_debugdata, in bytes, before and after
	// decompression. Fedora's largest have a few MB.
	maxMiniCompressed = 32 << 20
	maxMini           = 128 << 20
	// maxDictionary is the decompressor's largest window, that of xz -9.
	maxDictionary = 64 << 20
	// maxBlocks bounds the number of blocks, each of which sets up such a window.
	maxBlocks = 64
)

// Layout of an xz file: a stream header, blocks, an index.
const (
	xzMagic          = "\xfd7zXZ\x00"
	xzStreamHeader   = 12
	xzFilterLZMA2    = 0x21
	xzHasCompressed  = 0x40
	xzHasSize        = 0x80
	xzManyFilters    = 0x03
	xzBlockAlignment = 4
)

var errXZ = errors.New("malformed xz data")

// addMini adds the symbols in .gnu_debugdata, an xz-compressed ELF file with the symbols that
// .dynsym lacks.
func (t *symbolTable) addMini(f *elffile.File) error {
	compressed, err := f.Data(f.Section(".gnu_debugdata"), maxMiniCompressed)
	if err != nil || compressed == nil {
		return err
	}
	image, err := unxz(compressed, maxMini)
	if err != nil {
		return fmt.Errorf("decompress .gnu_debugdata: %w", err)
	}
	// The string table remains in use.
	if err := t.budget.Keep(uint64(len(image))); err != nil {
		return err
	}
	mini, err := elffile.Open(bytes.NewReader(image), int64(len(image)), t.budget)
	if err != nil {
		return fmt.Errorf("open .gnu_debugdata: %w", err)
	}
	return t.add(mini)
}

// unxz decompresses the first stream of an xz file. It parses the container itself, because
// package xz allocates whatever window a block's header asks for, up to 4 GiB. It does not
// verify the checks of the content.
func unxz(data []byte, limit int) (out []byte, err error) {
	defer func() {
		if recover() != nil {
			out, err = nil, errXZ
		}
	}()
	if len(data) < xzStreamHeader || !bytes.HasPrefix(data, []byte(xzMagic)) {
		return nil, errXZ
	}
	checkSize, ok := xzCheckSizes[data[7]&0x0f]
	if !ok {
		return nil, fmt.Errorf("check %d: %w", data[7], errXZ)
	}
	in := bytes.NewReader(data[xzStreamHeader:])
	for range maxBlocks {
		window, err := blockHeader(in)
		if err != nil || window == 0 {
			return out, err
		}
		start := in.Len()
		block, err := lzma.Reader2Config{DictCap: window}.NewReader2(in)
		if err != nil {
			return nil, err
		}
		more, err := io.ReadAll(io.LimitReader(block, int64(limit-len(out))+1))
		if err != nil {
			return nil, err
		}
		if out = append(out, more...); len(out) > limit {
			return nil, elffile.ErrBudget
		}
		read := int64(start - in.Len())
		padding := (xzBlockAlignment - read%xzBlockAlignment) % xzBlockAlignment
		if _, err := in.Seek(padding+checkSize, io.SeekCurrent); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("more than %d blocks: %w", maxBlocks, errXZ)
}

// xzCheckSizes are the sizes of the check after each block: none, CRC-32, CRC-64 and SHA-256.
var xzCheckSizes = map[byte]int64{0: 0, 1: 4, 4: 8, 10: 32}

// blockHeader reads a block's header and returns the size of the window that the block needs,
// or 0 if the index follows instead.
func blockHeader(in *bytes.Reader) (window int, err error) {
	size, err := in.ReadByte()
	if err != nil {
		return 0, errXZ
	}
	if size == 0 {
		return 0, nil
	}
	header := make([]byte, (int(size)+1)*4-1)
	if _, err := io.ReadFull(in, header); err != nil {
		return 0, errXZ
	}
	flags := header[0]
	fields := bytes.NewReader(header[1:])
	for _, flag := range []byte{xzHasCompressed, xzHasSize} {
		if flags&flag != 0 {
			if _, err := binary.ReadUvarint(fields); err != nil {
				return 0, errXZ
			}
		}
	}
	// One filter: its number, the size of its properties and the one property.
	var filter [3]byte
	if _, err := io.ReadFull(fields, filter[:]); err != nil {
		return 0, errXZ
	}
	if flags&xzManyFilters != 0 || filter[0] != xzFilterLZMA2 || filter[1] != 1 {
		return 0, fmt.Errorf("unsupported filter: %w", errXZ)
	}
	capacity, err := lzma.DecodeDictCap(filter[2])
	if err != nil || capacity > maxDictionary {
		return 0, fmt.Errorf("window of %d bytes: %w", capacity, errXZ)
	}
	return int(max(capacity, lzma.MinDictCap)), nil
}
