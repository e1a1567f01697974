package sysmem

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
)

// Read reports on the machine's memory as it is now.
func Read() (*report.System, error) {
	s, err := read(procfs.DefaultMountPoint)
	if err != nil {
		return nil, fmt.Errorf("read the system's memory: %w", err)
	}
	return s, nil
}

// read reads below proc, where /proc is mounted. Only meminfo has to be there:
// notes of the report say what else is not.
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
	mounts, mountsErr := os.ReadFile(filepath.Join(proc, "self/mountinfo"))
	f.Tmpfs = tmpfs(string(mounts))
	s, err := Compute(f)
	if err == nil && mountsErr != nil {
		s.Notes = append(s.Notes, "the mounts cannot be read: which files in memory there are is unknown")
	}
	return s, err
}

// tmpfs asks each file system in memory how large it is. Those of other mount
// namespaces cannot be seen.
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
