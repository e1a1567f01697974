package procmaps

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// Asking for one mapping after the other gives what the text lists.
func TestQuery(t *testing.T) {
	memory, err := unix.Mmap(-1, 0, 1<<16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(memory) }()
	q, err := OpenQuery(os.Getpid())
	if errors.Is(err, ErrNoQuery) {
		testprog.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	text, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	var s Scanner
	var listed []Mapping
	if _, err := s.Scan(text, func(m *Mapping) { listed = append(listed, *m) }); err != nil {
		t.Fatal(err)
	}
	// Go maps and unmaps memory now and then, and the kernel leaves [vsyscall] out of queries.
	files := func(all []Mapping) []Mapping {
		return slices.DeleteFunc(slices.Clone(all), func(m Mapping) bool { return m.Inode == 0 && m.Path != "[vdso]" })
	}
	var asked []Mapping
	for addr := uint64(0); ; {
		var m Mapping
		ok, err := q.Next(addr, &m)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		asked = append(asked, m)
		addr = m.End
	}
	if diff := cmp.Diff(files(listed), files(asked)); diff != "" {
		t.Errorf("listed, asked:\n%s", diff)
	}
}
