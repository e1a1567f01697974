package symbolize

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memtrace/symbolize/elffile"
)

const fuzzSource = `
static inline int twice(int n) { return n * 2; }
static inline int deeper(int n) { return n > 3 ? twice(n) - 1 : n; }
int exported(int n) { return deeper(n) + twice(n + 1); }
int other(int n) { return exported(n) + deeper(n); }
`

// seedFiles builds small ELF files of several kinds.
func seedFiles(f *testing.F) [][]byte {
	if _, err := os.Stat("/usr/bin/gcc"); err != nil && os.Getenv("CI") != "true" {
		return nil
	}
	var files [][]byte
	for _, flags := range [][]string{
		{"-O2", "-g", "-gdwarf-5"},
		{"-O2", "-g", "-gdwarf-4", "-ffunction-sections"},
		{"-O2", "-g", "-gz=zlib"},
		{"-O1", "-s"},
	} {
		flags = append(flags, "-shared", "-fPIC", "-nostdlib", "-Wl,--build-id=sha1", "-Wl,-z,noseparate-code")
		data, err := os.ReadFile(compile(f, "gcc", fuzzSource, "seed", flags...))
		if err != nil {
			f.Fatal(err)
		}
		files = append(files, data)
	}
	return files
}

// FuzzELF opens arbitrary bytes as a module and resolves addresses in them.
func FuzzELF(f *testing.F) {
	for _, seed := range seedFiles(f) {
		f.Add(seed)
	}
	f.Add([]byte(elf.ELFMAG))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &Process{budget: elffile.NewBudget()}
		m := &module{cache: make(map[uint64][]level)}
		m.parse(p, bytes.NewReader(data), int64(len(data)))
		if m.elf == nil {
			return
		}
		addrs := []uint64{0, 1, ^uint64(0)}
		for _, s := range m.elf.Segments[:min(len(m.elf.Segments), 8)] {
			addrs = append(addrs, s.Vaddr, s.Vaddr+s.Memsz/2, s.Vaddr+s.Memsz-1)
			if vaddr, ok := m.elf.Vaddr(s.Off + s.Filesz/3); ok {
				addrs = append(addrs, vaddr)
			}
		}
		for _, s := range m.elf.Sections[:min(len(m.elf.Sections), 40)] {
			if s.Flags&elf.SHF_EXECINSTR != 0 {
				for off := uint64(0); off < min(s.Size, 256); off += 5 {
					addrs = append(addrs, s.Addr+off)
				}
			}
		}
		for _, addr := range addrs {
			levels := m.lookup(p, addr)
			if len(levels) == 0 {
				t.Fatalf("%#x: no frame", addr)
			}
			for _, l := range levels {
				if len(l.function) > maxName || len(l.file) > maxName || l.line < 0 {
					t.Fatalf("%#x: over the limits: %d, %d, %d", addr, len(l.function), len(l.file), l.line)
				}
			}
		}
		if len(p.problems) > maxProblems {
			t.Fatalf("%d problems", len(p.problems))
		}
	})
}

// FuzzGnuDebugdata decompresses arbitrary bytes.
func FuzzGnuDebugdata(f *testing.F) {
	for _, check := range []string{"none", "crc32", "crc64", "sha256"} {
		path := filepath.Join(f.TempDir(), "data")
		write(f, path, strings.Repeat("some text to compress. ", 50))
		run(f, "xz", "--check="+check, path)
		data, err := os.ReadFile(path + ".xz")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 20
		out, err := unxz(data, limit)
		if err == nil && len(out) > limit {
			t.Fatalf("%d bytes of output", len(out))
		}
	})
}

// FuzzPerfMap reads arbitrary bytes in two parts, as from a growing file.
func FuzzPerfMap(f *testing.F) {
	f.Add([]byte("7f0000001000 20 LazyCompile:*f /x.js:1\n7f0000001010 8 g\n"), 30)
	f.Add([]byte("0x10 0x20 a b c\n\n \nffffffffffffffff 2 x"), 5)
	f.Fuzz(func(t *testing.T, data []byte, split int) {
		if split < 0 || split > len(data) {
			split = len(data) / 2
		}
		budget := elffile.NewBudget()
		var m perfMap
		for _, part := range [][]byte{data[:split], data[split:]} {
			joined := append(bytes.Clone(m.partial), part...)
			m.partial = nil
			if err := m.parse(bytes.NewReader(joined), budget.Keep); err != nil {
				t.Fatal(err)
			}
		}
		if len(m.names) != len(m.entries) || len(m.names) > bytes.Count(data, []byte("\n")) {
			t.Fatalf("%d names, %d entries", len(m.names), len(m.entries))
		}
		for _, e := range m.entries {
			if e.Low >= e.High || len(m.names[e.Ref]) > maxName {
				t.Fatalf("entry %+v with a name of %d bytes", e, len(m.names[e.Ref]))
			}
		}
	})
}

// FuzzMaps parses arbitrary text as /proc/PID/maps.
func FuzzMaps(f *testing.F) {
	if maps, err := os.ReadFile("/proc/self/maps"); err == nil {
		f.Add(maps)
	}
	f.Add([]byte("55d0-55d1 r-xp 00001000 fe:01 1234   /opt/a b\\012c (deleted)\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		executable, total, _ := parseMaps(bytes.NewReader(data))
		if len(executable) > total {
			t.Fatalf("%d of %d mappings", len(executable), total)
		}
		for _, e := range executable {
			if e.start >= e.end {
				t.Fatalf("mapping %x-%x", e.start, e.end)
			}
		}
	})
}
