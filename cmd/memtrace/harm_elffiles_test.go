package main

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// elfImage is an ELF file to be damaged.
type elfImage struct {
	t    *testing.T
	data []byte
}

func readImage(t *testing.T, path string) *elfImage {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &elfImage{t, data}
}

// header returns the bytes of the header of a section.
func (e *elfImage) header(name string) []byte {
	e.t.Helper()
	f, err := elf.NewFile(bytes.NewReader(e.data))
	if err != nil {
		e.t.Fatal(err)
	}
	for i, s := range f.Sections {
		if s.Name == name {
			return e.data[binary.LittleEndian.Uint64(e.data[0x28:])+uint64(i)*64:][:64]
		}
	}
	e.t.Fatalf("no section %s", name)
	return nil
}

// These are offsets in a section header (Elf64_Shdr).
const (
	shFlags, shOffset, shSize = 8, 24, 32
)

// stretch moves a section to the end of the file and makes it claim size bytes. It returns the
// length to which the file must be extended; all but the start of the section is then a hole.
func (e *elfImage) stretch(name string, size int64) (length int64) {
	h := e.header(name)
	off, n := binary.LittleEndian.Uint64(h[shOffset:]), binary.LittleEndian.Uint64(h[shSize:])
	start := uint64(len(e.data))
	binary.LittleEndian.PutUint64(h[shOffset:], start)
	binary.LittleEndian.PutUint64(h[shSize:], uint64(size))
	e.data = append(e.data, e.data[off:off+n]...)
	return int64(start) + size
}

// compress makes a section expand to size zeros.
func (e *elfImage) compress(name string, size int) {
	h := e.header(name)
	start := uint64(len(e.data))
	var out bytes.Buffer
	head := elf.Chdr64{Type: uint32(elf.COMPRESS_ZLIB), Size: uint64(size), Addralign: 1}
	if err := binary.Write(&out, binary.LittleEndian, &head); err != nil {
		e.t.Fatal(err)
	}
	z := zlib.NewWriter(&out)
	for block := make([]byte, 1<<20); size > 0; size -= len(block) {
		if _, err := z.Write(block); err != nil {
			e.t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		e.t.Fatal(err)
	}
	h[shFlags+1] |= byte(elf.SHF_COMPRESSED >> 8)
	binary.LittleEndian.PutUint64(h[shOffset:], start)
	binary.LittleEndian.PutUint64(h[shSize:], uint64(out.Len()))
	e.data = append(e.data, out.Bytes()...)
}

// write writes the file, extended to length, and returns its path.
func (e *elfImage) write(path string, length int64) string {
	e.t.Helper()
	if err := os.WriteFile(path, e.data, 0o755); err != nil {
		e.t.Fatal(err)
	}
	if length > 0 {
		if err := os.Truncate(path, length); err != nil {
			e.t.Fatal(err)
		}
	}
	return path
}

// Files that claim more than any memory can hold cost memtrace no more than others.
func TestHarmHugeFiles(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	library := filepath.Join(testprog.BuildText(t, map[string]string{
		"lib.c": "// build: gcc -shared -fPIC -g -O2\n#include <stdlib.h>\nvoid *malloc(size_t n) { return calloc(1, n); }\nvoid free(void *p) { (void)p; }\n",
	}), "lib.so")
	dir := t.TempDir()
	var files []string
	for _, name := range []string{".shstrtab", ".dynsym", ".dynstr", ".symtab", ".strtab", ".rela.plt", ".eh_frame", ".debug_info"} {
		e := readImage(t, library)
		length := e.stretch(name, 100<<30)
		files = append(files, e.write(filepath.Join(dir, "sparse"+name), length))
	}
	for _, name := range []string{".dynsym", ".symtab", ".strtab", ".eh_frame", ".debug_info"} {
		e := readImage(t, library)
		e.compress(name, 400<<20)
		files = append(files, e.write(filepath.Join(dir, "bomb"+name), 0))
	}
	memtrace := testprog.Memtrace(t)
	p := testprog.Command(t, exec.Command(harmProgram(t, "holder"), files...))
	for _, mode := range []string{"--exact", "grow"} {
		// Without a limit, a bug would take all of the machine's memory.
		cmd := exec.Command("sh", "-c", `ulimit -v 6000000; exec "$@"`, "sh",
			memtrace, mode, "-d", "1s", "-p", strconv.Itoa(p.PID()))
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		peak := <-watchPeak(cmd.Process.Pid) // a zombie has no memory
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v: %s", mode, err, last(out.String()))
		}
		const most = 256 << 20
		if peak == 0 || peak > most {
			t.Errorf("%s took %d MiB", mode, peak>>20)
		}
	}
}

func last(text string) string { return text[max(0, len(text)-1000):] }

// A program whose section headers lead nowhere is traced like any other, with a message about
// them.
func TestHarmDamagedSections(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	dir := t.TempDir()
	memtrace := testprog.Memtrace(t)
	for name, damage := range map[string]func(h []byte){
		"offset": func(h []byte) { binary.LittleEndian.PutUint64(h[0x28:], 1<<60) },
		"size":   func(h []byte) { binary.LittleEndian.PutUint16(h[0x3a:], 7) },
	} {
		e := readImage(t, harmProgram(t, "holder"))
		damage(e.data)
		p := testprog.Command(t, exec.Command(e.write(filepath.Join(dir, name), 0)))
		out, err := exec.Command(memtrace, "--exact", "-d", "2s", "-p", strconv.Itoa(p.PID())).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "section") {
			t.Errorf("%s: %v, want a report with a note on the sections:\n%s", name, err, out)
		}
	}
}
