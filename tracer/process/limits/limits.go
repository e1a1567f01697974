// Package limits tells what limits the memory of a process, and how much of each limit is in
// use: those of its cgroups, its resource limits, the number of mappings, and the machine's
// memory.
//
// It reads small files of /proc and of the cgroup file system, and nothing that the process
// could hold up. What cannot be read is named and left out.
//
// Its parsers are its own: procfs reads neither hard limits nor the files of cgroups, and gives
// up the table of mounts for a single line that is not as it should be.
package limits

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Limits is what limits a process.
type Limits struct {
	// Cgroups are the cgroups with a limit that the process is in, the innermost first.
	Cgroups []Cgroup
	// AddressSpace is RLIMIT_AS and Data is RLIMIT_DATA, both in bytes. Mappings is
	// vm.max_map_count.
	AddressSpace, Data, Mappings Limit
	Machine                      Machine
	// Unread says what could not be read.
	Unread []string
}

// Limit is a limit and what of it is in use.
type Limit struct {
	// Set is false where there is no limit. The other fields are then 0.
	Set         bool
	Value, Used uint64
}

// Room is how much may be added until the limit is reached.
func (l Limit) Room() uint64 { return l.Value - min(l.Value, l.Used) }

// Machine is the machine's memory in bytes, 0 where it is not known.
type Machine struct {
	// Total is all memory, Available what can be had without swapping. SwapFree is not part of
	// either.
	Total, Available, SwapFree uint64
}

// Read reads the limits of a process. mappings is the number of its mappings, 0 if that is not
// known. It fails only where there is no such process.
func Read(pid, mappings int) (*Limits, error) { return read("/", pid, mappings) }

// read is Read below root.
func read(root string, pid, mappings int) (*Limits, error) {
	r := reader{root: root}
	dir := filepath.Join("proc", strconv.Itoa(pid))
	status, err := r.file(dir, "status")
	if err != nil {
		return nil, fmt.Errorf("read the limits of process %d: %w", pid, err)
	}
	l := &r.limits
	r.machine()
	r.resources(dir, status)
	r.mappings(mappings)
	r.cgroups(dir)
	return l, nil
}

// reader collects limits.
type reader struct {
	root   string
	limits Limits
}

// maxFile is the most that is read of a file. The longest is the table of mounts.
const maxFile = 16 << 20

// file returns the text of a file below the root.
func (r *reader) file(path ...string) (string, error) {
	f, err := os.Open(filepath.Join(r.root, filepath.Join(path...)))
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	return string(text), err
}

// unread notes what cannot be read.
func (r *reader) unread(what string) { r.limits.Unread = append(r.limits.Unread, what) }

// machine reads the memory of the machine.
func (r *reader) machine() {
	text, err := r.file("proc/meminfo")
	text = "\n" + text
	total, ok := kilobytes(text, "MemTotal")
	available, okToo := kilobytes(text, "MemAvailable")
	if err != nil || !ok || !okToo {
		r.unread("the machine's memory")
		return
	}
	swap, _ := kilobytes(text, "SwapFree") // not there if the kernel cannot swap
	r.limits.Machine = Machine{Total: total, Available: available, SwapFree: swap}
}

// kilobytes returns the bytes of a line such as "VmData:     392 kB". A newline must come
// before it.
func kilobytes(text, name string) (bytes uint64, ok bool) {
	_, rest, ok := strings.Cut(text, "\n"+name+":")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(line, " kB")), 10, 64)
	return n << 10, ok && err == nil
}

// resources reads the resource limits. The kernel holds RLIMIT_DATA against what status calls
// VmData, private memory that can be written (from Linux 4.7 on, may_expand_vm of mm/vma.c).
func (r *reader) resources(dir, status string) {
	text, err := r.file(dir, "limits")
	if err != nil {
		r.unread("the resource limits")
		return
	}
	soft, hard := resource(text, "Max data size")
	// Valgrind sets the soft limit to 0, for which the kernel takes the hard one instead.
	if soft.Set && soft.Value == 0 {
		soft = hard
	}
	if ignore, _ := r.file("sys/module/kernel/parameters/ignore_rlimit_data"); strings.TrimSpace(ignore) == "Y" {
		soft.Set = false
	}
	r.limits.Data = r.used(soft, status, "VmData")
	soft, _ = resource(text, "Max address space")
	r.limits.AddressSpace = r.used(soft, status, "VmSize")
}

// resource returns a line of /proc/PID/limits.
func resource(text, name string) (soft, hard Limit) {
	_, rest, _ := strings.Cut(text, "\n"+name)
	line, _, _ := strings.Cut(rest, "\n")
	fields := append(strings.Fields(line), "", "")
	return parse(fields[0]), parse(fields[1])
}

// parse reads a limit. Everything that is not a number means that there is none: "max" in
// cgroups, "unlimited" in resource limits.
func parse(text string) Limit {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	return Limit{Set: err == nil, Value: n}
}

// used adds to a limit what is used of it, by the status file.
func (r *reader) used(l Limit, status, name string) Limit {
	if !l.Set {
		return Limit{}
	}
	var ok bool
	if l.Used, ok = kilobytes(status, name); !ok {
		r.unread(name)
		return Limit{}
	}
	return l
}

// mappings reads how many mappings a process may have.
func (r *reader) mappings(used int) {
	text, err := r.file("proc/sys/vm/max_map_count")
	l := parse(text)
	switch {
	case err != nil || !l.Set:
		r.unread("vm.max_map_count")
	case used <= 0:
		r.unread("the number of mappings")
	default:
		l.Used = uint64(used)
		r.limits.Mappings = l
	}
}
