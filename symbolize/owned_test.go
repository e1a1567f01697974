package symbolize

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// In a root that the target's owner has made up, a file is opened only if the owner could open
// it, and never through a symbolic link.
func TestOpenOwned(t *testing.T) {
	testprog.NeedRoot(t)
	const nobody = 65534
	dir := t.TempDir()
	file := func(name string, mode os.FileMode, owner int) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("text"), mode); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chmod(path, mode), os.Chown(path, owner, owner)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	public, secret := file("public", 0o644, 0), file("secret", 0o600, 0)
	file("own", 0o400, nobody)
	file("shut", 0o200, nobody)
	err := errors.Join(
		os.Symlink("public", filepath.Join(dir, "symlink")),
		os.Symlink(".", filepath.Join(dir, "folder")),
		os.Link(secret, filepath.Join(dir, "hardlink")),
		os.Link(public, filepath.Join(dir, "publiclink")),
		unix.Mkfifo(filepath.Join(dir, "fifo"), 0o666),
		unix.Mknod(filepath.Join(dir, "device"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))), // zero
	)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]bool{
		"public": true, "own": true, "publiclink": true,
		"secret": false, "shut": false, "hardlink": false, "symlink": false, "folder/public": false,
		"fifo": false, "device": false,
	} {
		p := &Process{root: root, status: procStatus{fsuid: nobody, hasFSUID: true}}
		f, err := p.openOwned("/" + name)
		if (err == nil) != want {
			t.Errorf("%s: %v, want it opened: %v", name, err, want)
		}
		if err == nil {
			f.Close()
		}
	}
}
