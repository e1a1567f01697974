package target

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// TestMountNamespace: the process has its libc in a file system of its own, and in ours its
// path leads to something else.
func TestMountNamespace(t *testing.T) {
	testprog.NeedRoot(t)
	image, err := os.ReadFile(testprog.Library(t, "libc.so.6"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	library := filepath.Join(dir, "libc.so.6")
	cmd := exec.Command("sh", "-ec", `mount -t tmpfs none "$1"; cp "$2" "$1"; LD_LIBRARY_PATH="$1" exec "$3"`,
		"sh", dir, testprog.Library(t, "libc.so.6"), testprog.BuildProgram(t, "gcc", waiting))
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	pid, _ := start(t, cmd)
	if err := os.WriteFile(library, []byte("something else"), 0o755); err != nil {
		t.Fatal(err)
	}
	found := find(t, pid)
	if got := families(found); !slices.Equal(got, []Family{Glibc}) || found.Objects[0].Path != library {
		t.Fatalf("families %v, want glibc in %s", got, library)
	}
	now, err := os.ReadFile(found.Objects[0].OpenPath())
	if err != nil || !slices.Equal(now, image) {
		t.Errorf("%s holds %d bytes (%v), not the mapped file", found.Objects[0].OpenPath(), len(now), err)
	}

	// If map_files cannot be read, the file is found by its name as the process sees it, but
	// used only if it is the one that is mapped.
	maps, err := readMaps(pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range maps {
		if !strings.HasPrefix(m.Pathname, library) {
			continue
		}
		m.StartAddr++ // map_files has no such name
		file, err := openMapped(pid, m)
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
		m.Inode++
		if file, err := openMapped(pid, m); err == nil {
			t.Errorf("opened %s, which is another file", file.OpenPath())
			file.Close()
		}
		return
	}
	t.Errorf("%s is not mapped", library)
}
