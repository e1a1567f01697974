//go:build kernels

package kerneltest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// The tests that must pass on every kernel, and where the source tree's test programs and data
// are in the guest.
const (
	corePackage = "memtrace/cmd/memtrace"
	coreTests   = "^TestCore"
	coreTimeout = 30 * time.Minute

	guestPrograms = "/testdata/bin"
	guestCoreDir  = "/src/cmd/memtrace"
)

// machines bounds how many guests run at a time.
var machines = make(chan struct{}, 2)

// TestKernels runs the core tests on every kernel. None is skipped: a kernel that cannot be
// fetched fails.
func TestKernels(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "core.test")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, corePackage).CombinedOutput(); err != nil {
		t.Fatalf("build tests of %s: %v\n%s", corePackage, err, out)
	}
	programs := filepath.Join(dir, "bin")
	if err := os.Mkdir(programs, 0o755); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(testprog.Build(t.Context(), testprog.Sources(), programs),
		testprog.Build(t.Context(), "../../region/proc/testdata", programs))
	if err != nil {
		t.Fatal("build test programs: ", err)
	}
	guest := Guest{
		Files: map[string]string{
			guestCoreDir + "/core.test": binary,
			guestPrograms:               programs,
			"/usr/bin/true":             "/usr/bin/true", // some programs execute it
		},
		Command: []string{
			guestCoreDir + "/core.test", "-test.v", "-test.run=" + coreTests,
			"-test.timeout=" + (coreTimeout - time.Minute).String(),
		},
		Env:       []string{"CI=true", "HOME=/root", "PATH=/usr/bin:/usr/sbin", testprog.DirVariable + "=" + guestPrograms},
		Dir:       guestCoreDir,
		MemoryMiB: 2048,
		Timeout:   coreTimeout,
	}
	if data, err := filepath.Abs("../../../cmd/memtrace/testdata"); err != nil {
		t.Fatal(err)
	} else if _, err := os.Stat(data); err == nil {
		guest.Files[guestCoreDir+"/testdata"] = data
	} else if !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	logs := filepath.Join("../../..", "build")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	var failed failedTests
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("failed in the guests:\n%s", failed.text)
		}
	})
	kernels := Kernels()
	for i, k := range kernels {
		t.Run(k.Suite, func(t *testing.T) {
			t.Parallel()
			guest := guest
			if i > 0 && i < len(kernels)-1 {
				// What the oldest and the newest do right, those between do, and this takes longest.
				guest.Command = append(slices.Clone(guest.Command), "-test.skip=^TestCoreTraps$")
			}
			console, err := os.Create(filepath.Join(logs, "kernel-"+k.Suite+".log"))
			if err != nil {
				t.Fatal(err)
			}
			defer console.Close()
			guest.Console = console
			result := runGuest(t, k, guest)
			if result.ExitCode != 0 {
				t.Errorf("core tests exit with %d", result.ExitCode)
			}
			if !bytes.Contains(result.Output, []byte("\n--- PASS: TestCore")) {
				t.Error("no core test passed")
			}
			if t.Failed() {
				failed.add(k.Suite, result.Output)
			}
		})
	}
}

// failedTests collects what the guests' failing tests printed. It is shown once more when all
// is over, because that is what is read first.
type failedTests struct {
	mu   sync.Mutex
	text []byte
}

// add adds what a guest's failing tests printed, or the output's end if none failed.
func (f *failedTests) add(suite string, output []byte) {
	const most = 8 << 10
	failed := failedLines(output)
	if len(failed) == 0 {
		failed = output[max(0, len(output)-most):]
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = fmt.Appendf(f.text, "%s:\n%s\n", suite, failed[:min(len(failed), most)])
}

// runGuest runs a guest in its turn and shows its output if the run or the test fails.
func runGuest(t *testing.T, k Kernel, g Guest) Result {
	t.Helper()
	machines <- struct{}{}
	defer func() { <-machines }()
	result, err := k.Run(t.Context(), g)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("output of the guest:\n%s", result.Output)
		}
	})
	if err != nil {
		t.Fatalf("kernel of %s: %v", k.Suite, err)
	}
	t.Logf("Linux %s, %v", result.Version, result.Elapsed.Round(100*time.Millisecond))
	return result
}
