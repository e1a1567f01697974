//go:build kernels

package kerneltest

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestKernelsLimits runs the tests of cgroups on kernels whose memory controller is free to be
// used in the second version of cgroups, which it may not be on this machine.
func TestKernelsLimits(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "limits.test")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, "memtrace/tracer/process/limits").CombinedOutput(); err != nil {
		t.Fatalf("build tests: %v\n%s", err, out)
	}
	for _, k := range Kernels() {
		t.Run(k.Suite, func(t *testing.T) {
			t.Parallel()
			result := runGuest(t, k, Guest{
				Files:   map[string]string{"/limits.test": binary},
				Command: []string{"/limits.test", "-test.v", "-test.run=^TestReal", "-test.timeout=4m"},
				Env:     []string{"CI=true"},
			})
			if result.ExitCode != 0 || !bytes.Contains(result.Output, []byte("version 2: ")) {
				t.Errorf("tests exit with %d, version 2 of cgroups was to be tested:\n%s", result.ExitCode, result.Output)
			}
		})
	}
}
