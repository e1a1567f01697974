package kerneltest

import (
	"bytes"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// cpioEntry is an entry as readCPIO finds it.
type cpioEntry struct {
	mode    uint64
	content string
}

// readCPIO reads an archive by the rules of cpio(5), and the order of names.
func readCPIO(t *testing.T, text []byte) (entries map[string]cpioEntry, order []string) {
	t.Helper()
	entries = map[string]cpioEntry{}
	inodes := map[string]bool{}
	take := func(n int) []byte {
		if n > len(text) {
			t.Fatalf("archive ends %d bytes short", n-len(text))
		}
		part := text[:n]
		text = text[n:]
		return part
	}
	for {
		header := string(take(110))
		if header[:6] != "070701" {
			t.Fatalf("magic %q", header[:6])
		}
		number := func(i int) uint64 {
			n, err := strconv.ParseUint(header[6+8*i:14+8*i], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		size, nameSize := int(number(6)), int(number(11))
		name := string(take(nameSize))
		take(-(110 + nameSize) & 3)
		content := string(take(size))
		take(-size & 3)
		if name[nameSize-1] != 0 {
			t.Fatalf("name %q does not end in NUL", name)
		}
		name = name[:nameSize-1]
		if name == "TRAILER!!!" {
			if len(text) > 0 {
				t.Errorf("%d bytes behind the trailer", len(text))
			}
			return entries, order
		}
		if inode := header[6:14]; inodes[inode] {
			t.Errorf("%s is a hard link", name)
		} else {
			inodes[inode] = true
		}
		entries[name] = cpioEntry{number(1), content}
		order = append(order, name)
	}
}

func TestCPIO(t *testing.T) {
	var text bytes.Buffer
	c := newCPIOWriter(&text)
	want := map[string]cpioEntry{"a": {0o040755, ""}, "a/b": {0o040755, ""}, "a/b/link": {0o120777, "../x"}}
	if err := c.symlink("/a/b/link", "../x"); err != nil {
		t.Fatal(err)
	}
	// Names and contents of all remainders modulo four.
	for i := range 9 {
		name, content := "a/"+strings.Repeat("n", i+1), strings.Repeat("c", i)
		want[name] = cpioEntry{0o100750, content}
		if err := c.file(name, 0o750, int64(i), strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	got, order := readCPIO(t, text.Bytes())
	if len(got) != len(want) {
		t.Errorf("entries %v, want %d", order, len(want))
	}
	for name, entry := range want {
		if got[name] != entry {
			t.Errorf("%s: got %+v, want %+v", name, got[name], entry)
		}
	}
	for i, name := range order { // the kernel creates no parents
		if dir := filepath.Dir(name); dir != "." && !strings.Contains("\n"+strings.Join(order[:i], "\n")+"\n", "\n"+dir+"\n") {
			t.Errorf("%s comes before its directory", name)
		}
	}
}

func TestCPIORefuses(t *testing.T) {
	c := newCPIOWriter(io.Discard)
	if err := c.file("/a", 0, 0, strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	if err := c.file("a", 0, 0, strings.NewReader("")); err == nil {
		t.Error("added a name twice")
	}
	if err := c.file("short", 0, 5, strings.NewReader("abc")); err == nil {
		t.Error("added a file that is shorter than said")
	}
	if err := c.file("large", 0, 1<<32, strings.NewReader("")); err == nil {
		t.Error("added a file of 4 GiB")
	}
}
