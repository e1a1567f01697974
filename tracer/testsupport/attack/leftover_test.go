//go:build attack

package attack

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/procmaps"
)

// kernelObjects are the BPF objects that a process holds, as "link 12".
type kernelObjects map[string]uint32

// add adds what a process holds now, according to the kernel's description of its descriptors.
func (k kernelObjects) add(pid int) {
	entries, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return
	}
	for _, path := range entries {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // closed meanwhile
		}
		for line := range strings.Lines(string(text)) {
			for _, kind := range []string{"link", "prog", "map"} {
				var id uint32
				if n, _ := fmt.Sscanf(line, kind+"_id:\t%d", &id); n == 1 {
					k[fmt.Sprintf("%s %d", kind, id)] = id
				}
			}
		}
	}
}

// there reports whether an object is still in the kernel. It asks for the next id after the
// one before. That keeps nothing alive, as opening the object would.
func there(object string, id uint32) bool {
	commands := map[string]uintptr{"prog": unix.BPF_PROG_GET_NEXT_ID, "map": unix.BPF_MAP_GET_NEXT_ID, "link": unix.BPF_LINK_GET_NEXT_ID}
	kind, _, _ := strings.Cut(object, " ")
	attr := struct{ start, next, flags uint32 }{start: id - 1}
	_, _, errno := unix.Syscall(unix.SYS_BPF, commands[kind], uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	return errno == 0 && attr.next == id
}

// checkGone waits until the kernel has none of the objects any more. The kernel removes what a
// process leaves behind after a grace period.
func (s *scene) checkGone(objects kernelObjects) {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var left []string
		for name, id := range objects {
			if there(name, id) {
				left = append(left, name)
			} else {
				delete(objects, name)
				s.count("kernel objects gone", 1)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.failf("left in the kernel: %s", strings.Join(left, ", "))
			return
		}
	}
}

// checkText compares the code of a process's libraries with their files: no breakpoint may be
// left. The last probe goes some time after its link.
func (s *scene) checkText(pid int) {
	var left string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if left = changedText(pid); left == "" {
			s.count("images of code compared", 1)
			return
		}
	}
	s.failf("left in the target: %s", left)
}

// changedText describes the first byte of code that differs from the file. It is empty if
// there is none.
func changedText(pid int) string {
	file, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return ""
	}
	defer file.Close()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return ""
	}
	defer memory.Close()
	changed := ""
	var scanner procmaps.Scanner
	_, err = scanner.Scan(file, func(m *procmaps.Mapping) {
		if m.Perms&procmaps.Exec != 0 && strings.HasPrefix(m.Path, "/") && changed == "" {
			changed = changedMapping(m, memory)
		}
	})
	if err != nil {
		return "" // it has ended
	}
	return changed
}

func changedMapping(m *procmaps.Mapping, memory io.ReaderAt) string {
	image, err := os.Open(m.Path)
	if err != nil {
		return "" // replaced
	}
	defer image.Close()
	want, got := make([]byte, m.Bytes()), make([]byte, m.Bytes())
	n, _ := image.ReadAt(want, int64(m.Offset)) // as far as both go
	k, _ := memory.ReadAt(got, int64(m.Start))
	n = min(n, k)
	if bytes.Equal(want[:n], got[:n]) {
		return ""
	}
	at := 0
	for want[at] == got[at] {
		at++
	}
	return fmt.Sprintf("%#x instead of %#x at %s+%#x", got[at], want[at], m.Path, m.Offset+uint64(at))
}

// ownState is what the test itself holds.
type ownState struct{ descriptors, children int }

func takeOwnState(t *testing.T) ownState {
	t.Helper()
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return ownState{len(descriptors), len(children(t))}
}

func children(t *testing.T) []string {
	t.Helper()
	var all []string
	threads, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err == nil {
			all = append(all, strings.Fields(string(text))...)
		}
	}
	return all
}

// checkOwn finds what the attacks themselves left behind.
func (c *camp) checkOwn(t *testing.T) {
	t.Helper()
	after := takeOwnState(t)
	if after.descriptors > c.before.descriptors+4 { // the runtime's own come and go
		t.Errorf("%d file descriptors at the end, %d at the start", after.descriptors, c.before.descriptors)
	}
	if after.children > c.before.children {
		t.Errorf("%d children are left: %v", after.children, children(t))
	}
}

func kernelRelease() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "?"
	}
	return unix.ByteSliceToString(name.Release[:])
}
