package tracer

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"memtrace/tracer/target"
)

// anchor holds a probe that is there as long as others come and go, and that no thread
// runs into, but once at most: it is where the process's program begins.
//
// Without one, taking probes away can kill the process. A thread may have met a
// breakpoint and not yet be where the kernel takes that for a uprobe's, least of all on
// a virtual processor that does not run at the moment. When the uprobe is gone by then
// the kernel just has the thread go on, but only as long as it holds that the process
// has uprobes. The first thread to get there finds out, and has the kernel forget that,
// if no mapped file has any: the next one dies of SIGTRAP (uprobe_pre_sstep_notifier and
// mmf_recalc_uprobes of kernel/events/uprobes.c). Two threads that do nothing but meet
// probes died of it, where these had come and gone a few hundred times.
//
// The kernel takes the probes of a program that is killed away in the reverse order of
// their descriptors (close_files of fs/file.c and task_work_run of kernel/task_work.c),
// so that of an anchor is reserved before there are others.
type anchor struct {
	mu sync.Mutex
	fd int // -1 once it is closed
	// links has those that have no descriptor of their own, before Linux 5.15.
	links links
}

// newAnchor is called before any probe is there.
func newAnchor() (*anchor, error) {
	// Of a kind that takes no file.
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("reserve a descriptor: %w", err)
	}
	return &anchor{fd: fd}, nil
}

// dropAnchor puts a probe into a process's program for an anchor to hold.
func (t *Tracer) dropAnchor(p *target.Target) links {
	l, err := probeEntry(t.progs, t.kernel, p)
	if err == nil && !anchored(p) {
		for _, layer := range p.Layers(p.Program()) {
			// What does not reach the process is of no use, whether or not it goes.
			_ = l.Close()
			p.Program().Replace(layer)
			if l, err = probeEntry(t.progs, t.kernel, p); err == nil && anchored(p) {
				break
			}
		}
	}
	if err == nil && !anchored(p) {
		err = fmt.Errorf("no probe reaches the beginning of %s", p.Exe)
	}
	if err != nil && !processGone(p.PID) {
		t.cfg.Logf("to take probes away is less safe than it should be: %v", err)
	}
	return l
}

// anchored reports whether the probe is in the process's memory, as far as can be told.
func anchored(p *target.Target) bool {
	places, err := p.Places(p.Program())
	return err != nil || len(notProbed(p.PID, places, allProbes)) == 0
}

func probeEntry(p *programs, k kernelFeatures, t *target.Target) (links, error) {
	path, offset, err := t.Entry()
	if err != nil {
		return nil, err
	}
	l, err := probeWith(p.objs.Anchor, k, t.PID, path, []uint64{offset})
	if err != nil {
		return nil, fmt.Errorf("probe the beginning of %s: %w", t.Exe, err)
	}
	return l, nil
}

// probeWith puts a program at places in a file for one process. On an error nothing
// stays attached.
func probeWith(prog *ebpf.Program, k kernelFeatures, pid int, path string, offsets []uint64) (links, error) {
	u, err := openUprobes(path, pid, k)
	if err != nil {
		return nil, err
	}
	if err := u.attach(prog, offsets, false); err != nil {
		return nil, errors.Join(err, u.links.Close())
	}
	return u.links, nil
}

// hold takes a probe, in place of the one that it held.
func (a *anchor) hold(probe links) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fd < 0 {
		return probe.Close()
	}
	var errs []error
	old := a.links
	a.links = nil
	for _, l := range probe {
		numbered, ok := l.(interface{ FD() int })
		if !ok {
			a.links = append(a.links, l)
			continue
		}
		if err := unix.Dup3(numbered.FD(), a.fd, unix.O_CLOEXEC); err != nil {
			a.links = append(a.links, l)
			errs = append(errs, fmt.Errorf("keep a probe: %w", err))
			continue
		}
		errs = append(errs, l.Close())
	}
	return errors.Join(append(errs, old.Close())...)
}

// Close is for when all other probes are gone.
func (a *anchor) Close() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fd < 0 {
		return nil
	}
	err := errors.Join(unix.Close(a.fd), a.links.Close())
	a.fd, a.links = -1, nil
	return err
}
