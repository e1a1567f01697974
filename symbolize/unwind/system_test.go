package unwind

import (
	"debug/elf"
	"os"
	"testing"
	"unsafe"

	"memtrace/tracer/testsupport/testprog"
)

// These are files of the system under test, each with the paths in its Debian packages. The
// first path that exists is used.
var (
	libcFiles   = []string{"/usr/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6"}
	stdcxxFiles = []string{"/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/lib64/libstdc++.so.6"}
	cryptoFiles = []string{"/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "/lib64/libcrypto.so.3"}
	pythonFiles = []string{"/usr/bin/python3.11", "/usr/bin/python3"}
	nodeFiles   = []string{"/usr/bin/node", "/usr/bin/nodejs"}
	llvmFiles   = []string{
		"/usr/lib/x86_64-linux-gnu/libLLVM.so.19.1",
		"/usr/lib/x86_64-linux-gnu/libLLVM-16.so.1",
		"/usr/lib/x86_64-linux-gnu/libLLVM-15.so.1",
		"/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1",
	}
)

// systemFile returns the first of the files that exists. If there is none it skips the test,
// or fails it under CI.
func systemFile(tb testing.TB, candidates []string) string {
	tb.Helper()
	for _, path := range candidates {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	testprog.Missing(tb, "needs one of "+candidates[0]+" and the like")
	return ""
}

// buildFile builds the table of a file.
func buildFile(tb testing.TB, path string, d *Dictionary) (*Table, Stats) {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	table, stats, err := Build(f, info.Size(), d)
	if err != nil {
		tb.Fatalf("Build(%s): %v", path, err)
	}
	return table, stats
}

// kilobytesPerMegabyte returns the memory of the table and of a dictionary used for it alone,
// in KB for each MB of .text.
func kilobytesPerMegabyte(tb testing.TB, path string, table *Table, d *Dictionary) float64 {
	tb.Helper()
	f, err := elf.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	text := f.Section(".text")
	if text == nil {
		tb.Fatalf("%s has no .text", path)
	}
	size := table.Bytes() + len(d.Rules())*int(unsafe.Sizeof(Rule{}))
	return float64(size) / 1000 / (float64(text.Size) / 1e6)
}
