package gotable

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"memtrace/symbolize/elffile"
)

func open(tb testing.TB, path string) *Table {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	budget := elffile.NewFileBudget()
	f, err := elffile.Open(file, info.Size(), budget)
	if err != nil {
		tb.Fatal(err)
	}
	t, err := Open(f, budget)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// TestOwnProgram compares what the table of this program says with what the runtime says.
func TestOwnProgram(t *testing.T) {
	table := open(t, "/proc/self/exe")
	checked, inlined := 0, 0
	for i := range table.Len() {
		f, ok := table.Func(i)
		if f.Start == f.End {
			continue // with cgo some have no code
		}
		if !ok {
			t.Fatalf("function %d is damaged", i)
		}
		for pc := f.Start; pc+1 < f.End && pc < f.Start+2000; pc += 7 {
			var want []Call
			frames := runtime.CallersFrames([]uintptr{uintptr(pc + 1), 1}) // 1 is no code, but makes it tell inlined calls
			for {
				frame, more := frames.Next()
				if frame.Function == "" { // the runtime does not know the first name
					frame.Function = table.Lookup(pc)[0].Name
				}
				if frame.File == "?" {
					frame.File = "" // padding
				}
				want = append(want, Call{frame.Function, frame.File, frame.Line, more})
				if !more {
					break
				}
			}
			got := table.Lookup(pc)
			if n := len(got) - 1; n == len(want) {
				got = got[:n] // the runtime leaves out wrappers
			}
			if len(got) != len(want) {
				t.Fatalf("%#x: %+v, want %+v", pc, got, want)
			}
			for k := range got {
				// The runtime prints [...] for type arguments.
				name, _, _ := strings.Cut(want[k].Name, "[...]")
				if !strings.HasPrefix(got[k].Name, name) || got[k].Line != want[k].Line || got[k].File != want[k].File {
					t.Fatalf("%#x: %+v, want %+v", pc, got, want)
				}
			}
			checked++
			inlined += len(got) - 1
		}
	}
	if checked < 10000 || inlined < 1000 {
		t.Errorf("checked only %d addresses, with %d inlined calls", checked, inlined)
	}
}

// TestKinds reads programs that were linked and stripped in several ways.
func TestKinds(t *testing.T) {
	const source = `package main

import "os"

func inner() int { return len(os.Args) }

//go:noinline
func outer() int { return inner() * 3 }

func main() { os.Exit(outer()) }
`
	dir := t.TempDir()
	path := filepath.Join(dir, "main.go")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, flags := range map[string][]string{
		"plain":    nil,
		"stripped": {"-ldflags=-s -w"},
		"pie":      {"-buildmode=pie", "-ldflags=-s -w"},
		"arm64":    {"-buildmode=pie", "-ldflags=-s -w"},
		"external": {"-buildmode=pie", "-ldflags=-s -w -linkmode=external"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(dir, name)
			cmd := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), path)...)
			if name == "arm64" {
				cmd.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
			}
			if msg, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, msg)
			}
			table := open(t, out)
			var calls []Call
			for i := range table.Len() {
				if f, ok := table.Func(i); ok && f.Name() == "main.outer" {
					for pc := f.Start; pc < f.End; pc++ {
						if c := table.Lookup(pc); len(c) > len(calls) {
							calls = c
						}
					}
				}
			}
			if len(calls) != 2 || calls[0].Name != "main.inner" || calls[0].Line != 5 || calls[0].File != path || calls[1].Line != 8 {
				t.Errorf("calls are %+v", calls)
			}
		})
	}
}

// FuzzTable reads arbitrary bytes as a table.
func FuzzTable(f *testing.F) {
	f.Add(make([]byte, headerSize))
	if file, err := os.ReadFile("/proc/self/exe"); err == nil {
		for _, magic := range []byte{0xf0, 0xf1} {
			head := []byte{magic, 0xff, 0xff, 0xff, 0, 0, 1, 8}
			if at := bytes.Index(file, head); at >= 0 {
				seed := bytes.Clone(file[at:min(at+4096, len(file))])
				seed[8], seed[9] = 2, 0
				f.Add(seed)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := parse(data, elffile.NewFileBudget())
		if err != nil {
			return
		}
		for i := range min(table.Len(), 1000) {
			fn, ok := table.Func(i)
			if !ok {
				continue
			}
			last := fn.Start
			for r := range fn.Frames() {
				if r.Start < last || r.End <= r.Start || r.End > fn.End {
					t.Fatalf("range %+v of %+v", r, fn)
				}
				last = r.End
			}
			if calls := table.Lookup(fn.Start); len(calls) > maxInline+1 {
				t.Fatalf("%d calls", len(calls))
			}
			fn.Outermost()
		}
	})
}
