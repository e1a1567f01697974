package ptmalloc

import (
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// threads finds where the threads of a process keep their thread-local variables.
type threads struct {
	ids, heads []uint64
	// pointers are the thread pointers (fs_base).
	pointers []uint64
	// unknown is the number of threads whose pointer was not found. It does not count threads
	// started by the kernel.
	unknown int
}

const (
	// tcbBefore is the largest distance from the start of a thread's descriptor to its robust
	// list. In struct pthread, a header of 704 bytes and then list, tid and robust_prev come
	// before that (nptl/descr.h), which on x86-64 makes 736 bytes from 2.4 to 2.43.
	tcbBefore = 1024
	// tcbSelf is the offset of the descriptor's second pointer to itself (tcbhead_t in
	// sysdeps/x86_64/nptl/tls.h: tcb, dtv, self).
	tcbSelf = 16
)

// find lists the threads. Their thread pointers are registers, which only a debugger can read,
// and only of a thread that it stops. But the kernel tells where each thread's list of robust
// mutexes is. That list is a field of the descriptor that the thread pointer points to, and
// the descriptor starts with its own address. Up to 2.33, a program of one thread that is not
// linked with libpthread has no such list.
func (t *threads) find(pid int, rd *reader) error {
	t.ids, t.heads, t.pointers, t.unknown = t.ids[:0], t.heads[:0], t.pointers[:0], 0
	dir, err := os.Open(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return fmt.Errorf("list the threads of process %d: %w", pid, err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list the threads of process %d: %w", pid, err)
	}
	rd.reset()
	for _, name := range names {
		id, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			continue
		}
		switch head := robustList(int(id)); {
		case head > tcbBefore && head%8 == 0:
			t.ids, t.heads = append(t.ids, id), append(t.heads, head)
			rd.ask(head-tcbBefore, tcbBefore+8)
		case id == uint64(pid):
			t.unknown++
		}
	}
	rd.read()
	for i := range t.heads {
		if tp, ok := descriptor(&rd.spans[i]); ok {
			t.pointers = append(t.pointers, tp)
		} else {
			t.unknown++
		}
	}
	return nil
}

// robustList returns the address that a thread registered with the kernel, or 0.
func robustList(tid int) uint64 {
	var head, size uint64
	// This needs the permissions of ptrace.
	_, _, errno := unix.RawSyscall(unix.SYS_GET_ROBUST_LIST, uintptr(tid), uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0
	}
	return head
}

// descriptor finds the start of a thread's descriptor before its robust list.
func descriptor(s *span) (addr uint64, ok bool) {
	if !s.OK {
		return 0, false
	}
	for off := uint64(tcbBefore - tcbSelf - 8); ; off -= 8 {
		addr := s.Addr + off
		if s.Word(off) == addr && s.Word(off+tcbSelf) == addr {
			return addr, true
		}
		if off == 0 {
			return 0, false
		}
	}
}
