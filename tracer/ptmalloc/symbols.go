package ptmalloc

import (
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// DebugFolder is where distributions install separate debug files.
const DebugFolder = "/usr/lib/debug"

// symbol is a data symbol.
type symbol struct{ addr, size uint64 }

// symbolsNamed returns the data symbols in .symtab of the given names. Names
// are read only of symbols that have a size malloc's variables may have: the
// table of a large program takes no memory.
func symbolsNamed(f *elf.File, wanted ...string) map[string][]symbol {
	const (
		most     = 16        // of one name
		maxTable = 480 << 20 // bytes; Chromium's has 50 MB
	)
	found := make(map[string][]symbol)
	for _, s := range f.Sections {
		if s.Type != elf.SHT_SYMTAB || s.Link == 0 || int(s.Link) >= len(f.Sections) {
			continue
		}
		// Of a compressed section debug/elf gives no reader.
		if s.ReaderAt == nil || f.Sections[s.Link].ReaderAt == nil {
			continue
		}
		names := io.NewSectionReader(f.Sections[s.Link], 0, int64(f.Sections[s.Link].FileSize))
		buf := make([]byte, elf.Sym64Size*4096)
		table := io.NewSectionReader(s, 0, int64(min(s.FileSize, maxTable)))
		for {
			n, err := io.ReadFull(table, buf)
			for raw := buf[:n]; len(raw) >= elf.Sym64Size; raw = raw[elf.Sym64Size:] {
				sym := symbol{binary.LittleEndian.Uint64(raw[8:]), binary.LittleEndian.Uint64(raw[16:])}
				if elf.ST_TYPE(raw[4]) != elf.STT_OBJECT || sym.addr == 0 || !mallocSized(sym.size) {
					continue
				}
				name := nameAt(names, binary.LittleEndian.Uint32(raw))
				for _, w := range wanted {
					if name == w && len(found[w]) < most {
						found[w] = append(found[w], sym)
					}
				}
			}
			if err != nil {
				break
			}
		}
	}
	return found
}

// mallocSized reports whether mp_ or main_arena is of such a size.
func mallocSized(size uint64) bool {
	for _, l := range paramsLayouts {
		if size == l.size {
			return true
		}
	}
	for i := range arenaLayouts {
		if size == arenaLayouts[i].size() {
			return true
		}
	}
	return false
}

// nameAt reads the start of a name, longer than any that is looked for.
func nameAt(names io.ReaderAt, off uint32) string {
	var buf [16]byte
	n, _ := names.ReadAt(buf[:], int64(off)) // what is there serves
	for i, c := range buf[:n] {
		if c == 0 {
			return string(buf[:i])
		}
	}
	return string(buf[:n])
}

var errNoDebugFile = errors.New("no debug file of this build")

// openDebugFile opens the separate debug file of a build below a folder such as
// /usr/lib/debug, on the tool's own file system.
func openDebugFile(folder string, f *elf.File) (*os.File, *elf.File, error) {
	id := buildID(f)
	const shortest = 4
	if folder == "" || len(id) < shortest {
		return nil, nil, errNoDebugFile
	}
	hexID := hex.EncodeToString(id)
	path := filepath.Join(folder, ".build-id", hexID[:2], hexID[2:]+".debug")
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNoDebugFile
	}
	var debug *elf.File
	if err == nil {
		debug, err = elf.NewFile(file)
	}
	if err == nil && (debug.Machine != f.Machine || string(buildID(debug)) != string(id)) {
		err = errNoDebugFile
	}
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("open %s: %w", path, err)
	}
	return file, debug, nil
}

// buildID returns the GNU build ID, or nil. Sections are looked at, because a
// debug file's segments have no contents.
func buildID(f *elf.File) []byte {
	s := f.Section(".note.gnu.build-id")
	const headerSize, most = 16, 64 // name "GNU\0" included
	if s == nil || s.ReaderAt == nil || s.Type != elf.SHT_NOTE || s.FileSize <= headerSize || s.FileSize > headerSize+most {
		return nil
	}
	note := make([]byte, s.FileSize)
	if _, err := s.ReadAt(note, 0); err != nil {
		return nil
	}
	size := binary.LittleEndian.Uint32(note[4:])
	if string(note[12:headerSize]) != "GNU\x00" || uint64(size) > s.FileSize-headerSize {
		return nil
	}
	return note[headerSize : headerSize+size]
}
