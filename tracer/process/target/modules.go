package target

import (
	"debug/elf"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/procfs"

	"memtrace/symbolize/patience"
)

// Module is an executable mapping of a file, or of the vDSO.
type Module struct {
	// Start and End are the mapping's addresses.
	Start, End uint64
	// File is the mapped file, zero for the vDSO.
	File FileID
	Path string

	m *procfs.ProcMap
}

// vdsoPath is what /proc/PID/maps calls the vDSO.
const vdsoPath = "[vdso]"

// Modules lists the process's executable mappings of files, and its vDSO, in order of address.
func (t *Target) Modules() ([]Module, error) {
	maps, err := readMaps(t.PID)
	if err != nil {
		return nil, err
	}
	return modules(maps), nil
}

func modules(maps []*procfs.ProcMap) (list []Module) {
	for _, m := range maps {
		if m.Perms.Execute && (m.Inode != 0 || m.Pathname == vdsoPath) {
			list = append(list, Module{
				Start: uint64(m.StartAddr), End: uint64(m.EndAddr),
				File: FileID{m.Dev, m.Inode}, Path: m.Pathname, m: m,
			})
		}
	}
	return list
}

// Image is a module's ELF file, opened.
type Image struct {
	io.ReaderAt
	Size int64
	file *patience.File
}

// Close closes the file.
func (i *Image) Close() error {
	if i.file == nil {
		return nil
	}
	return i.file.Close()
}

// OpenPath returns a path that opens the image's file, valid until Close; "" for an image without one.
func (i *Image) OpenPath() string {
	if i.file == nil {
		return ""
	}
	return i.file.OpenPath()
}

// OpenModule opens the very file that a module maps, or reads the vDSO from the process's
// memory.
func (t *Target) OpenModule(m *Module) (*Image, error) {
	if m.Path == vdsoPath && m.File.Inode == 0 {
		return t.readVDSO(m)
	}
	file, err := openMapped(t.PID, m.m)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", m.Path, err)
	}
	return &Image{ReaderAt: file, Size: file.Size, file: file}, nil
}

func (t *Target) readVDSO(m *Module) (*Image, error) {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", t.PID))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	const most = 1 << 20 // it is two pages
	image := make([]byte, min(m.End-m.Start, most))
	n, err := mem.ReadAt(image, int64(m.Start))
	if n == 0 {
		return nil, fmt.Errorf("read the vDSO: %w", err)
	}
	return &Image{ReaderAt: readerAt(image[:n]), Size: int64(n)}, nil
}

type readerAt []byte

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(r)) {
		return 0, io.EOF
	}
	n := copy(p, r[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Addr returns where the process has an offset of the module's file, false where this mapping does not
// hold it.
func (m *Module) Addr(offset uint64) (uint64, bool) {
	start := uint64(m.m.Offset)
	return m.Start + offset - start, offset >= start && offset-start < m.End-m.Start
}

// Probable reports whether the kernel puts probes into the mapping.
func (m *Module) Probable() bool { return m.File.Inode != 0 && barred(m.m) == "" }

// Bias returns what must be added to an address in the module's ELF file to get the address in
// the process, given the file's program headers.
func (m *Module) Bias(headers []elf.ProgHeader) (uint64, bool) {
	var offset uint64
	if m.File.Inode != 0 {
		offset = uint64(m.m.Offset)
	}
	const page = 4096
	for _, p := range headers {
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_X == 0 {
			continue
		}
		if first := p.Off &^ (page - 1); offset >= first && offset < p.Off+p.Filesz {
			return m.Start - (offset + p.Vaddr - p.Off), true
		}
	}
	return 0, false
}

// Info is what the file system says of the image's file. It is zero for an image without one.
func (i *Image) Info() patience.Info {
	if i.file == nil {
		return patience.Info{}
	}
	return i.file.Info
}
