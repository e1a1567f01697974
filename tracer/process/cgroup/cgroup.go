package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Cgroup is a cgroup with those below it.
type Cgroup struct {
	Hierarchy Hierarchy
	// Path is as in Membership.
	Path string
	// dir is where the cgroup can be seen, "" where no mount shows it.
	dir string
}

// String returns the path, quoted if it has more than printable characters.
func (c *Cgroup) String() string {
	if quoted := strconv.Quote(c.Path); quoted != `"`+c.Path+`"` {
		return quoted
	}
	return c.Path
}

// open finds where a cgroup can be seen.
func open(m Membership) *Cgroup {
	c := &Cgroup{Hierarchy: m.Hierarchy, Path: m.Path}
	for _, mount := range readMounts() {
		rest, ok := mount.Below(m.Path)
		if !ok || !mount.Shows(m.Hierarchy) {
			continue
		}
		// Another mount may hide this one.
		if dir := filepath.Join(mount.Point, rest); isCgroup(dir) {
			c.dir = dir
			return c
		}
	}
	return c
}

// readMounts returns the mounts that memtrace sees. That is none if they cannot be read.
func readMounts() []Mount {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return Mounts(string(text))
}

func isCgroup(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "cgroup.procs"))
	return err == nil
}

// PIDs returns the processes of the cgroup and of those below it, in order. Kernel threads,
// processes that have ended and memtrace itself are left out. Those that are in known, which is
// sorted, are taken for processes without a look. The error is fs.ErrNotExist if the cgroup is
// gone.
func (c *Cgroup) PIDs(known []int) (pids []int, err error) {
	if c.dir != "" {
		pids, err = c.listed()
	} else {
		err = eachProcess(func(pid int, list []Membership) {
			if slices.ContainsFunc(list, c.holds) {
				pids = append(pids, pid)
			}
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read which processes are in cgroup %s: %w", c, err)
	}
	slices.Sort(pids)
	pids = slices.Compact(pids)
	return slices.DeleteFunc(pids, func(pid int) bool {
		_, seen := slices.BinarySearch(known, pid)
		return pid == os.Getpid() || !seen && !runsProgram(pid)
	}), nil
}

// holds reports whether a process with this membership is in the cgroup or below it.
func (c *Cgroup) holds(m Membership) bool {
	rest, ok := strings.CutPrefix(m.Path, strings.TrimSuffix(c.Path, "/"))
	return ok && m.Hierarchy == c.Hierarchy && (rest == "" || rest[0] == '/')
}

// listed reads the cgroup's folder and those below it.
func (c *Cgroup) listed() (pids []int, err error) {
	err = filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != c.dir:
			return nil // removed a moment ago
		case err != nil:
			return err
		case entry.Name() != "cgroup.procs":
			return nil
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, unix.ENODEV) || errors.Is(err, fs.ErrNotExist) && filepath.Dir(path) != c.dir {
			return nil // removed a moment ago
		}
		// The processes of a threaded cgroup are in the file of the domain above it.
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil
		}
		for word := range strings.FieldsSeq(string(text)) {
			// Those that the reader's PID namespace lacks are listed as 0.
			if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return err
	})
	return pids, err
}

// runsProgram reports whether a process is there and no kernel thread.
func runsProgram(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return !errors.Is(err, fs.ErrNotExist)
}

// eachProcess calls f with all processes and the cgroups that they are in.
func eachProcess(f func(pid int, list []Membership)) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cgroup"))
		if err == nil { // else it has ended
			f(pid, Memberships(string(text)))
		}
	}
	return nil
}
