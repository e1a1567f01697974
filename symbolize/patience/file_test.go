package patience

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Files of all kinds are opened and read correctly.
func TestOpen(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef\n"), 200000)
	path := filepath.Join(t.TempDir(), "a \"file\"\n")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, remote := range []bool{false, true} {
		f, err := OpenHost(path)
		if err != nil {
			t.Fatal(err)
		}
		if remote && f.file != nil { // as if its file system were not local
			_ = f.file.Close()
			f.file = nil
			if f.handle, err = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
				t.Fatal(err)
			}
		}
		again, err := f.Dup()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []*File{f, again} { // the second one when the first is closed
			got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size+100))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("remote %v: %d bytes of %d, %v", remote, len(got), len(content), err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := OpenHost(path + "?"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenHost(fifo); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a FIFO: %v", err)
	}
}

// A result that comes too late is passed to late.
func TestDo(t *testing.T) {
	release, late := make(chan struct{}), make(chan int)
	_, err := Do(time.Millisecond, "it", func() (int, error) { <-release; return 7, nil }, func(n int) { late <- n })
	var silent *NoAnswerError
	if !errors.As(err, &silent) || silent.What != "it" {
		t.Errorf("%v", err)
	}
	close(release)
	if n := <-late; n != 7 {
		t.Errorf("%d came late", n)
	}
	if n, err := Do(time.Minute, "it", func() (int, error) { return 5, nil }, nil); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
