package symbolize

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// mount mounts a file system until the test ends.
func mount(t *testing.T, kind, dir, options string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, kind, 0, options); err != nil {
		testprog.Missing(t, kind+": "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// On overlayfs, maps has another device than stat. A file there is opened by its path, too.
func TestPathOnOverlay(t *testing.T) {
	testprog.NeedRoot(t)
	dir := t.TempDir()
	lower, path := filepath.Join(dir, "memory/lower"), filepath.Join(dir, "merged/file")
	mount(t, "tmpfs", filepath.Join(dir, "memory"), "")
	for _, name := range []string{lower, filepath.Join(dir, "upper"), filepath.Join(dir, "work")} {
		if err := os.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"file", "other"} {
		write(t, filepath.Join(lower, name), name)
	}
	mount(t, "overlay", filepath.Join(dir, "merged"), "lowerdir="+lower+",upperdir="+filepath.Join(dir, "upper")+",workdir="+filepath.Join(dir, "work"))

	e := mappingOf(t, path)
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	if st.Dev == e.dev {
		t.Fatalf("both devices are %#x", st.Dev)
	}
	p := open(t, os.Getpid(), Options{})
	e.start++ // nothing in map_files has this name
	file, err := openMapped(p.proc, p.root, &e, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	e.path = filepath.Join(filepath.Dir(path), "other")
	if _, err := openMapped(p.proc, p.root, &e, 0); err == nil {
		t.Error("another file was opened")
	}
}

// mappingOf maps a file until the test ends, and returns the mapping.
func mappingOf(t *testing.T, path string) mapsEntry {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := unix.Mmap(int(file.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(data) })
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	entries, _, err := parseMaps(maps)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.path == path {
			return e
		}
	}
	t.Fatalf("%s is not mapped", path)
	return mapsEntry{}
}
