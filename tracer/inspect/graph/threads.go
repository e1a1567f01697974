package graph

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// thread is what is known of a thread.
type thread struct {
	tid  int
	name string
	// pointer is the thread pointer: the address of the thread's descriptor, below which its
	// thread-local variables are. It is 0 if it was not found.
	pointer uint64
	// registers are those that the kernel shows, stack the stack pointer. Both are missing of a
	// thread that runs.
	registers []uint64
	stack     uint64
}

const (
	// maxThreads bounds the threads: the kernel's limit is 4 million.
	maxThreads = 1 << 22
	// tcbBefore is the largest distance from the start of a thread's descriptor to its robust list,
	// and descriptorSize that to its end: struct pthread has 2,304 bytes in glibc 2.36 (nptl/descr.h)
	// and a little more or less in others.
	tcbBefore, descriptorSize = 1024, 2560
	// redZone is what a function may use below its stack pointer (System V ABI, x86-64).
	redZone = 128
)

// findThreads lists the threads. missed tells whether there were some that could not be looked at.
func (p *process) findThreads() (missed bool) {
	p.threads = nil
	if p.picture != nil {
		for _, s := range p.picture.Threads {
			t := thread{tid: s.TID, name: p.text(s.TID, "comm"), registers: s.Words, stack: s.Stack}
			t.pointer = s.Pointer
			if self, _ := p.word(t.pointer + 2*8); self != t.pointer {
				t.pointer = p.threadPointer(s.TID)
			}
			p.threads = append(p.threads, t)
		}
		return false
	}
	dir, err := os.Open(fmt.Sprintf("/proc/%d/task", p.pid))
	if err != nil {
		return true
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxThreads)
	missed = err != nil
	for _, name := range names {
		tid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		t := thread{tid: tid, name: p.text(tid, "comm")}
		t.waits(p.text(tid, "syscall"))
		t.pointer = p.threadPointer(tid)
		p.threads = append(p.threads, t)
	}
	return missed
}

// text reads a small file of a thread's directory in /proc, "" if there is none any more.
func (p *process) text(tid int, name string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/%s", p.pid, tid, name))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

// waits takes what /proc/PID/task/TID/syscall says: "running", or the number of the system call (-1
// outside of one), its arguments, the stack pointer and the address of the code (proc(5)).
func (t *thread) waits(text string) {
	fields := strings.Fields(text)
	if len(fields) != 3 && len(fields) != 9 {
		return
	}
	var words []uint64
	for _, f := range fields[1:] {
		word, err := strconv.ParseUint(strings.TrimPrefix(f, "0x"), 16, 64)
		if err != nil {
			return
		}
		words = append(words, word)
	}
	t.stack = words[len(words)-2]
	t.registers = words[:len(words)-1]
}

// threadPointer returns where a thread's descriptor is. It begins with its own address, and so does
// its third word (tcbhead_t of glibc's sysdeps/x86_64/nptl/tls.h). The kernel knows a field of it,
// the list of robust mutexes.
func (p *process) threadPointer(tid int) uint64 {
	var head, size uint64
	// This needs the permissions of ptrace.
	_, _, errno := unix.RawSyscall(unix.SYS_GET_ROBUST_LIST, uintptr(tid), uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 || head <= tcbBefore || head%8 != 0 {
		return 0
	}
	// The descriptor may be at the start of a page that follows one that is not there.
	var buf [tcbBefore]byte
	start := head - tcbBefore
	got := p.walker.Read(start, buf[:])
	if got != len(buf) {
		if skip := head - head%uint64(os.Getpagesize()); skip > start && skip < head {
			start = skip
			got = p.walker.Read(start, buf[:head-skip])
		}
	}
	if got <= 0 {
		return 0
	}
	for off := (got - 24) / 8 * 8; off >= 0; off -= 8 {
		addr := start + uint64(off)
		if leWord(buf[off:]) == addr && leWord(buf[off+16:]) == addr {
			return addr
		}
	}
	return 0
}

// word reads a word of the process's memory.
func (p *process) word(addr uint64) (word uint64, ok bool) {
	var buf [8]byte
	if p.walker.Read(addr, buf[:]) != len(buf) {
		return 0, false
	}
	return leWord(buf[:]), true
}

func leWord(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
