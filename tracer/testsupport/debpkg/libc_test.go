package debpkg

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// TestLibc runs one program, built for the oldest C library, on each.
func TestLibc(t *testing.T) {
	testprog.Long(t)
	if runtime.GOARCH != "amd64" {
		testprog.Missing(t, "is about x86-64 packages")
	}
	const text = `
#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdio.h>
static void *say(void *version) { puts(version); return NULL; }
int main(void) {
	pthread_t t;
	return pthread_create(&t, NULL, say, (void *)gnu_get_libc_version()) || pthread_join(t, NULL);
}
`
	dir := t.TempDir()
	source, program := filepath.Join(dir, "version.c"), filepath.Join(dir, "version")
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	compile := exec.Command("gcc", append(Sysroot(t, "bullseye"), "-pthread", "-o", program, source)...)
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for suite, want := range map[string]string{"bullseye": "2.31", "bookworm": "2.36", "trixie": "2.41", "sid": ""} {
		t.Run(suite, func(t *testing.T) {
			c := Libc(t, suite)
			if !strings.HasPrefix(c.Version, want) {
				t.Errorf("package has version %s, want %s", c.Version, want)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			out, err := c.Command(ctx, program).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got := strings.TrimSpace(string(out))
			if upstream, _, _ := strings.Cut(c.Version, "-"); got != upstream {
				t.Errorf("runs on glibc %q, the package is %s", got, c.Version)
			}
		})
	}
}

// TestNoPackage checks that a missing package is named in the error.
func TestNoPackage(t *testing.T) {
	const name = "no-package-of-this-name"
	s, err := Open(t.Context(), "bookworm")
	if err != nil {
		testprog.Missing(t, err.Error())
	}
	defer s.Close()
	if _, err := s.Unpack(t.Context(), name); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("got %v, want an error with the name", err)
	}
}
