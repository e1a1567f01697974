package tracer

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"memtrace/tracer/target"
)

// anchor is a probe that is there as long as others come and go, and that no thread
// runs into any more: it is where the process's program begins.
//
// Without one, taking probes away can kill the process. A thread may have met a
// breakpoint and not yet be where the kernel takes that for a uprobe's, least of all on
// a virtual processor that does not run at the moment. When the uprobe is gone by then
// the kernel just has the thread go on, but only as long as it holds that the process
// has uprobes. The first thread to get there finds out, and has the kernel forget that,
// if no mapped file has any: the next one dies of SIGTRAP (uprobe_pre_sstep_notifier and
// mmf_recalc_uprobes of kernel/events/uprobes.c). Two threads that do nothing but meet
// probes died of it, where these had come and gone a few hundred times.
type anchor struct {
	links links
	// last keeps the links beyond all others if memtrace is killed.
	last []int
}

// lastDescriptor is from where on numbers are free, and below the usual limit of 1024.
// The kernel closes the descriptors of a process that ends in the order of their
// numbers.
const lastDescriptor = 1000

// dropAnchor puts an anchor into a process's program. nil where that is not possible.
func (t *Tracer) dropAnchor(p *target.Target) *anchor {
	a, err := newAnchor(t.progs, t.kernel, p)
	if err != nil && !processGone(p.PID) {
		t.cfg.Logf("to take probes away is less safe than it should be: %v", err)
	}
	return a
}

func newAnchor(p *programs, k kernelFeatures, t *target.Target) (*anchor, error) {
	path, offset, err := t.Entry()
	if err != nil {
		return nil, err
	}
	exe, err := link.OpenExecutable(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", t.Exe, err)
	}
	u := uprobes{exe: exe, pid: t.PID, multi: k.uprobeMulti}
	if err := u.attach(p.objs.Anchor, []uint64{offset}, false); err != nil {
		return nil, fmt.Errorf("probe the beginning of %s: %w", t.Exe, err)
	}
	a := &anchor{links: u.links}
	for _, l := range u.links {
		if l, ok := l.(interface{ FD() int }); ok {
			fd, err := unix.FcntlInt(uintptr(l.FD()), unix.F_DUPFD_CLOEXEC, lastDescriptor)
			if err != nil {
				return a, fmt.Errorf("keep the probe of %s: %w", t.Exe, err)
			}
			a.last = append(a.last, fd)
		}
	}
	return a, nil
}

// Close is for when all other probes are gone.
func (a *anchor) Close() error {
	if a == nil {
		return nil
	}
	var errs []error
	for _, fd := range a.last {
		errs = append(errs, unix.Close(fd))
	}
	a.last = nil
	err := a.links.Close()
	a.links = nil
	return errors.Join(append(errs, err)...)
}
