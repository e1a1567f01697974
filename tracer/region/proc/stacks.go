package proc

import (
	"bytes"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"memtrace/tracer/region"
)

// thread is what is known of a thread's stack.
type thread struct {
	// block is an address in the thread's control block, or 0 if libc registered none.
	block uint64
	// pointer is the stack pointer when the thread was last seen blocked, or 0 if never.
	pointer uint64
	seen    uint64
}

// Stacks implements region.Source. glibc registers each thread's list of robust mutexes with
// the kernel. The head of the list is in the thread's control block, which lies on top of the
// stack, and the kernel returns its address (get_robust_list(2)) whether or not the thread is
// running. Threads without such a list, such as musl's, are located by the stack pointer,
// which the kernel shows for threads that are waiting.
func (p *Process) Stacks(dst []region.StackAddress) (_ []region.StackAddress, unlocated int, err error) {
	p.seen++
	err = p.tids(func(tid int) {
		if tid == p.PID {
			return
		}
		t := p.threads[tid]
		t.seen = p.seen
		if t.block == 0 { // a young thread may not have registered it yet
			t.block = robustList(tid)
		}
		if t.block == 0 {
			if sp := p.stackPointer(tid); sp != 0 {
				t.pointer = sp
			}
		}
		p.threads[tid] = t
		switch {
		case t.block != 0:
			dst = append(dst, region.StackAddress{Addr: t.block, Certain: true})
		case t.pointer != 0:
			dst = append(dst, region.StackAddress{Addr: t.pointer})
		default:
			unlocated++
		}
	})
	for tid, t := range p.threads {
		if t.seen != p.seen {
			delete(p.threads, tid)
		}
	}
	return dst, unlocated, err
}

// tids calls f with the number of every thread.
func (p *Process) tids(f func(tid int)) error {
	fd, err := unix.Openat(p.dir, "task", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return typed(err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 8<<10)
	var names []string
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil {
			return typed(err)
		}
		if n == 0 {
			return nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names[:0])
		for _, name := range names {
			if tid, err := strconv.Atoi(name); err == nil {
				f(tid)
			}
		}
	}
}

// robustList returns the address of a thread's robust_list_head, or 0 if there is none.
func robustList(tid int) uint64 {
	var head, length uintptr
	_, _, errno := unix.Syscall(unix.SYS_GET_ROBUST_LIST, uintptr(tid), uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&length)))
	if errno != 0 {
		return 0
	}
	return uint64(head)
}

// stackPointer returns the stack pointer of a waiting thread, or 0 if the thread is running.
// It is the last but one word of /proc/PID/task/TID/syscall.
func (p *Process) stackPointer(tid int) uint64 {
	text, err := p.file("task/" + strconv.Itoa(tid) + "/syscall")
	if err != nil {
		return 0
	}
	words := bytes.Fields(text)
	if len(words) < 3 {
		return 0
	}
	sp, _ := strconv.ParseUint(string(bytes.TrimPrefix(words[len(words)-2], []byte("0x"))), 16, 64)
	return sp
}
