package probe

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Anchor holds a probe that is there as long as others come and go, and that no thread
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
type Anchor struct {
	mu sync.Mutex
	fd int // -1 once it is closed
	// links has those that have no descriptor of their own, before Linux 5.15.
	links Links
}

// NewAnchor is called before any probe is there.
func NewAnchor() (*Anchor, error) {
	// Of a kind that takes no file.
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("reserve a descriptor: %w", err)
	}
	return &Anchor{fd: fd}, nil
}

// Hold takes a probe, in place of the one that it held.
func (a *Anchor) Hold(probe Links) error {
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

// FD is its descriptor, -1 once it is closed.
func (a *Anchor) FD() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fd
}

// Close is for when all other probes are gone.
func (a *Anchor) Close() error {
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
