package testprog

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// DirVariable names the environment variable that holds a folder of prebuilt programs, for
// machines without a compiler.
const DirVariable = "MEMTRACE_TEST_BIN"

// folder is what was built for all tests of a package, or why it was not.
type folder struct {
	path string
	err  error
}

// folders are the folders by what is in them.
var (
	folders = make(map[string]folder)
	lock    sync.Mutex
)

// once returns the path of the folder that build filled at the first call for it.
func once(what string, build func(path string) error) (string, error) {
	lock.Lock()
	defer lock.Unlock()
	f, ok := folders[what]
	if !ok {
		if f.path, f.err = os.MkdirTemp("", "memtrace-programs-"); f.err == nil {
			f.err = build(f.path)
		}
		folders[what] = f
	}
	return f.path, f.err
}

// Main is for the TestMain of a package. It runs the tests, and removes what was built for
// them.
func Main(m *testing.M) {
	code := m.Run()
	for _, f := range folders {
		_ = os.RemoveAll(f.path)
	}
	os.Exit(code)
}

// Sources is the folder of the programs' sources.
func Sources() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "testdata")
}

// Path returns the path of a program, built if need be.
func Path(t testing.TB, name string) string {
	t.Helper()
	return PathIn(t, Sources(), name)
}

// PathIn is Path for a program of another folder of sources.
func PathIn(t testing.TB, sources, name string) string {
	t.Helper()
	if dir := os.Getenv(DirVariable); dir != "" {
		return filepath.Join(dir, name)
	}
	dir, err := once(sources, func(dir string) error { return Build(context.Background(), sources, dir) })
	if err != nil {
		t.Fatalf("build the test programs: %v", err)
	}
	return filepath.Join(dir, name)
}

// Memtrace returns the path of memtrace's program, for what cannot be tested within the test's
// own process.
func Memtrace(t testing.TB) string {
	t.Helper()
	dir, err := once("memtrace", func(dir string) error {
		build := exec.Command("go", "build", "-o", dir, "memtrace/cmd/memtrace")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make does
		out, err := build.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("build memtrace: %v", err)
	}
	return filepath.Join(dir, "memtrace")
}
