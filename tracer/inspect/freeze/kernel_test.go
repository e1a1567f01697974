package freeze

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// Of an io_uring it is said that its requests are not seen.
func TestUnseen(t *testing.T) {
	if k, err := ReadKernel(os.Getpid(), func() error { return nil }); err != nil || len(k.Unseen) > 0 {
		t.Errorf("without: %v, %v", k.Unseen, err)
	}
	var parameters [120]byte
	for range 2 {
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&parameters)), 0)
		if errno == unix.ENOSYS || errno == unix.EPERM {
			testprog.Missing(t, "io_uring is not allowed here")
		}
		if errno != 0 {
			t.Fatal(errno)
		}
		defer unix.Close(int(fd))
	}
	if k, err := ReadKernel(os.Getpid(), func() error { return nil }); err != nil || !slices.Equal(k.Unseen, []string{UnseenRing}) {
		t.Errorf("%v, %v", k.Unseen, err)
	}
}

// What /proc says of epoll and timers may be anything.
func FuzzKernel(f *testing.F) {
	f.Add("tfd:        5 events:       19 data:     560d23f5a2a0  pos:0 ino:61af sdev:7\nsignal: 10/000055d1c0a0d2a0")
	f.Fuzz(func(_ *testing.T, text string) {
		wordsOf(strings.NewReader(text), epollData)
		wordsOf(strings.NewReader(text), timerValue)
	})
}

func TestKernelText(t *testing.T) {
	words := wordsOf(strings.NewReader("pos:\t0\nflags:\t02\ntfd:        5 events:       19 data:     560d23f5a2a0  pos:0 ino:61af sdev:7\ntfd: x\n"), epollData)
	if len(words) != 1 || words[0] != 0x560d23f5a2a0 {
		t.Errorf("epoll: %x", words)
	}
	words = wordsOf(strings.NewReader("ID: 1\nsignal: 10/000055d1c0a0d2a0\nnotify: signal/pid.2634\nClockID: 1\n"), timerValue)
	if len(words) != 1 || words[0] != 0x55d1c0a0d2a0 {
		t.Errorf("timers: %x", words)
	}
}
