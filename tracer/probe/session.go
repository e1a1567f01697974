package probe

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// A session is a uprobe whose program runs at a function's entry and, if it asks for that
// there, again at the return. Package link cannot attach one yet.

// attachSession is BPF_TRACE_UPROBE_SESSION of include/uapi/linux/bpf.h.
const attachSession ebpf.AttachType = 57

// linkUprobeMulti is the part of union bpf_attr that BPF_LINK_CREATE uses for uprobe_multi.
type linkUprobeMulti struct {
	program, target, attachType, flags uint32
	path, offsets, refs, cookies       uint64
	count, multiFlags, pid, _          uint32
}

// attachSession attaches a program to places in the file. At offsets[i], the program's cookie
// is cookies[i].
func (a *uprobes) attachSession(prog *ebpf.Program, offsets, cookies []uint64) error {
	if len(offsets) == 0 {
		return nil
	}
	path, err := unix.BytePtrFromString(a.path)
	if err != nil {
		return err
	}
	pins := new(runtime.Pinner)
	defer pins.Unpin()
	address := func(p unsafe.Pointer) uint64 {
		pins.Pin(p)
		return uint64(uintptr(p))
	}
	attr := linkUprobeMulti{
		program: uint32(prog.FD()), attachType: uint32(attachSession),
		path: address(unsafe.Pointer(path)), count: uint32(len(offsets)), pid: uint32(a.pid),
		offsets: address(unsafe.Pointer(&offsets[0])), cookies: address(unsafe.Pointer(&cookies[0])),
	}
	const linkCreate = 28 // BPF_LINK_CREATE
	fd, _, errno := unix.Syscall(unix.SYS_BPF, linkCreate, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(prog)
	switch {
	case errors.Is(errno, unix.ESRCH):
		return fmt.Errorf("attach a session: %w", os.ErrNotExist)
	case errno != 0:
		return fmt.Errorf("attach a session: %w", errno)
	}
	l, err := link.NewFromFD(int(fd))
	if err != nil {
		return err
	}
	return a.keep(l)
}
