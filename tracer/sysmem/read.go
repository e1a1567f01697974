package sysmem

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
)

// maxMountinfo is how many bytes of the table of mounts are read. A namespace has 100,000
// mounts at most, unless fs.mount-max says otherwise, but a path may be of any length, and
// users can make long ones.
const maxMountinfo = 16 << 20

// Read reports on the machine's memory as it is now.
func Read() (*report.System, error) {
	s, err := read(procfs.DefaultMountPoint)
	if err != nil {
		return nil, fmt.Errorf("read the system's memory: %w", err)
	}
	return s, nil
}

// read reads below proc, where /proc is mounted. Only meminfo must be there: notes of the
// report say what else is not.
func read(proc string) (*report.System, error) {
	fs, err := procfs.NewFS(proc)
	if err != nil {
		return nil, err
	}
	meminfo, err := os.ReadFile(filepath.Join(proc, "meminfo"))
	if err != nil {
		return nil, err
	}
	f := Facts{Meminfo: string(meminfo), PageSize: uint64(os.Getpagesize())}
	if zoneinfo, err := fs.Zoneinfo(); err == nil {
		f.Zoneinfo = zoneinfo
	}
	if text, err := os.ReadFile(filepath.Join(proc, "sys/vm/min_free_kbytes")); err == nil {
		f.MinFree = string(text)
	}
	mounts, mountsErr := readStart(filepath.Join(proc, "self/mountinfo"), maxMountinfo)
	f.Tmpfs = tmpfs(mounts)
	s, err := Compute(f)
	switch {
	case err != nil:
		return nil, err
	case errors.Is(mountsErr, errCut):
		s.Notes = append(s.Notes, "the table of mounts has more than "+report.Size(maxMountinfo)+": which files in memory are in the rest is unknown")
	case mountsErr != nil:
		s.Notes = append(s.Notes, "the mounts cannot be read: which files in memory there are is unknown")
	}
	return s, nil
}

// errCut says that a file is longer than what was read of it.
var errCut = errors.New("file is longer than what is read of it")

// readStart reads at most most bytes of a file. With errCut it returns the first lines.
func readStart(name string, most int) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(text) > most {
		return string(text[:bytes.LastIndexByte(text[:most], '\n')+1]), errCut
	}
	return string(text), err
}

// tmpfs asks each file system in memory for its size. Those of other mount namespaces cannot
// be seen.
func tmpfs(mountinfo string) (list []report.Tmpfs) {
	for _, m := range parseMounts(mountinfo) {
		t := report.Tmpfs{MountPoint: m.point, Type: m.kind}
		var st unix.Statfs_t
		if err := unix.Statfs(m.point, &st); err == nil && m.kind != "ramfs" && st.Blocks > 0 {
			t.SizeBytes = st.Blocks * uint64(st.Bsize)
			t.UsedBytes = (st.Blocks - min(st.Bfree, st.Blocks)) * uint64(st.Bsize)
			t.UsedKnown = true
		}
		list = append(list, t)
	}
	return list
}
