package target

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// refused checks that Find rejects a process, for the reason and with the text.
func refused(t *testing.T, pid int, want error, text ...string) {
	t.Helper()
	found, err := Find(pid)
	if err == nil {
		found.Close()
		t.Fatalf("found %+v, want %q", found, want)
	}
	if !errors.Is(err, want) {
		t.Errorf("%q, want %q", err, want)
	}
	for _, part := range text {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestNoProcess(t *testing.T) {
	const most = 1 << 22 // PID_MAX_LIMIT: no process has this number
	for _, pid := range []int{-1, 0, most} {
		refused(t, pid, ErrNoProcess, strconv.Itoa(pid))
	}
}

func TestKernelThread(t *testing.T) {
	// This is kthreadd, except in another pid namespace.
	name, err := os.ReadFile("/proc/2/comm")
	if err != nil || string(name) != "kthreadd\n" {
		testprog.Missing(t, "process 2 is not kthreadd here")
	}
	refused(t, 2, ErrKernelThread, "kthreadd")
}

func TestThread(t *testing.T) {
	pid, line := start(t, exec.Command(testprog.BuildProgram(t, "gcc -pthread", `
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *thread(void *arg) {
	printf("%ld\n", syscall(SYS_gettid));
	fflush(stdout);
	pause();
	return arg;
}
int main(void) {
	pthread_t t;
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
}
`)))
	tid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, tid, ErrThread, "-p "+strconv.Itoa(pid))
	find(t, pid)
}

func TestZombie(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	refused(t, cmd.Process.Pid, ErrExiting, "(true) has ended")
}

// sleeper is a program without any library.
const sleeper = `
#if defined(__x86_64__)
static long call(long n, long a, long b, long c) {
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
}
enum { WRITE = 1, PPOLL = 271 };
#else
static long call(long n, long a, long b, long c) {
	register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
enum { WRITE = 64, PPOLL = 73 };
#endif
void _start(void) {
	call(WRITE, 1, (long)"ready\n", 6);
	for (;;)
		call(PPOLL, 0, 0, 0);
}
`

func TestNoAllocator(t *testing.T) {
	path := testprog.BuildProgram(t, "gcc -static -nostdlib -O1 -fno-stack-protector", sleeper)
	pid, _ := start(t, exec.Command(path))
	refused(t, pid, ErrNoAllocator, "malloc", path, "(program)")
}

// foreignProgram writes a 32-bit x86 program that pauses for ever.
func foreignProgram(t testing.TB) string {
	t.Helper()
	code := []byte{
		0xb8, 29, 0, 0, 0, // mov eax, pause
		0xcd, 0x80, // int 0x80
		0xeb, 0xf7, // jmp to the start
	}
	const (
		base    = 0x08048000
		headers = 52 + 32
	)
	le := binary.LittleEndian
	b := append([]byte("\x7fELF\x01\x01\x01"), make([]byte, 9)...)
	for _, v := range []uint16{2, 3} { // ET_EXEC, EM_386
		b = le.AppendUint16(b, v)
	}
	for _, v := range []uint32{1, base + headers, 52, 0, 0} { // version, entry, program headers, sections, flags
		b = le.AppendUint32(b, v)
	}
	for _, v := range []uint16{52, 32, 1, 0, 0, 0} { // sizes and counts of headers
		b = le.AppendUint16(b, v)
	}
	size := uint32(headers + len(code))
	for _, v := range []uint32{1, 0, base, base, size, size, 5, 4096} { // PT_LOAD, read and execute
		b = le.AppendUint32(b, v)
	}
	path := filepath.Join(t.TempDir(), "foreign")
	if err := os.WriteFile(path, append(b, code...), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestForeign(t *testing.T) {
	needAMD64(t)
	cmd := exec.Command(foreignProgram(t))
	err := cmd.Start()
	if errors.Is(err, unix.ENOEXEC) {
		testprog.Missing(t, "this kernel runs no 32-bit programs")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	refused(t, cmd.Process.Pid, ErrForeign, "ELFCLASS32", "EM_386", "foreign")
}

// TestNotPermitted looks at a root process as nobody. In Linux each thread has a user ID of
// its own, and this thread ends with the goroutine.
func TestNotPermitted(t *testing.T) {
	testprog.NeedRoot(t)
	pid, _ := start(t, exec.Command(testprog.BuildProgram(t, "gcc", waiting)))
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		const nobody = 65534
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			result <- errno
			return
		}
		_, err := Find(pid)
		result <- err
	}()
	if err := <-result; !errors.Is(err, ErrNotPermitted) || !strings.Contains(err.Error(), "as root") {
		t.Errorf("%v, want %q and the remedy", err, ErrNotPermitted)
	}
}
