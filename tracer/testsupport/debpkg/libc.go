package debpkg

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// fetchTimeout bounds how long a mirror may take for one package, its lists included.
const fetchTimeout = 5 * time.Minute

// Fetch returns an unpacked package of a suite. A package that cannot be fetched fails the
// test. A machine that is not a Debian skips it, unless CI is true.
func Fetch(t testing.TB, suite, name string) Package {
	t.Helper()
	return fetch(t, suite, name, name)
}

func fetch(t testing.TB, suite, label string, names ...string) Package {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), fetchTimeout)
	defer cancel()
	s, err := Open(ctx, suite)
	if errors.Is(err, ErrNoOrigin) {
		testprog.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatalf("fetch package %s: %v", label, err)
	}
	defer s.Close()
	p, err := s.unpackAll(ctx, label, names...)
	if err != nil {
		t.Fatalf("fetch package %s: %v", label, err)
	}
	return p
}

// CLibrary is the glibc of a suite.
type CLibrary struct {
	// Version is that of the package, such as "2.36-9+deb12u14".
	Version string
	// Dir holds the libraries (Libc, libpthread.so.0 and others) and Loader.
	Dir, Loader, Libc string
}

var (
	loaderFile = regexp.MustCompile(`^(usr/)?lib/x86_64-linux-gnu/ld-(linux-x86-64\.so\.2|2\.\d+\.so)$`)
	libcFile   = regexp.MustCompile(`^(usr/)?lib/x86_64-linux-gnu/libc(\.so\.6|-2\.\d+\.so)$`)
)

// Libc returns the C library of a suite, for x86-64.
func Libc(t testing.TB, suite string) CLibrary {
	t.Helper()
	p := Fetch(t, suite, "libc6")
	loader, err := p.Find(loaderFile)
	if err != nil {
		t.Fatal(err)
	}
	libc, err := p.Find(libcFile)
	if err != nil {
		t.Fatal(err)
	}
	return CLibrary{Version: p.Version, Dir: filepath.Dir(libc), Loader: loader, Libc: libc}
}

// Command runs a program on this C library, whatever the one it was linked with. The program
// must ask for no symbol version that the library lacks (see Sysroot). Libraries of other
// packages come from the machine.
//
// The process's /proc/PID/exe is the loader; its name (comm) is the loader's.
func (c CLibrary) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, c.Loader, append([]string{"--library-path", c.Dir, program}, args...)...)
}

// Sysroot returns flags for gcc to compile a C program with a suite's headers and for its C
// library. The program runs on that library and on all later ones. From gcc only libgcc.a is
// linked in, so C++ and pthread_cancel need libraries of the suite as well.
func Sysroot(t testing.TB, suite string) []string {
	t.Helper()
	root := fetch(t, suite, "sysroot", "libc6", "libc6-dev", "linux-libc-dev").Dir
	lib := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	// gcc searches the place where it is installed, the machine itself, before this root.
	return []string{"--sysroot=" + root, "-B" + lib, "-L" + lib, "-L" + filepath.Join(root, "lib/x86_64-linux-gnu")}
}
