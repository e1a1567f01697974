package symbolize

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	vdsoName = "[vdso]"
	// maxVDSO is the most that is read as a vDSO, in bytes. The vDSO has two pages.
	maxVDSO = 1 << 20
)

// readVDSO copies the vDSO from the process's memory, because it is in no file. If that fails
// it notes the problem and returns nil.
func (p *Process) readVDSO(e *mapsEntry) *module {
	image, err := p.readMemory(e.start, min(e.end-e.start, maxVDSO))
	if err != nil {
		p.problem(vdsoName, err)
		return nil
	}
	m := &module{entry: *e, cache: make(map[uint64][]level)}
	m.parse(p, bytes.NewReader(image), int64(len(image)))
	return m
}

func (p *Process) readMemory(addr, size uint64) ([]byte, error) {
	fd, err := unix.Openat(int(p.proc.Fd()), "mem", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open process memory: %w", err)
	}
	mem := os.NewFile(uintptr(fd), "mem")
	defer mem.Close()
	image := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(mem, int64(addr), int64(size)), image); err != nil {
		return nil, fmt.Errorf("read process memory: %w", err)
	}
	return image, nil
}
