package probe

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Anchor keeps one probe in place while others come and go. The probe sits where the process's
// program begins, so no thread meets it more than once.
//
// Without an anchor, taking probes away can kill the process. A thread may have hit a
// breakpoint without having reached the point where the kernel recognises it as a uprobe's,
// most of all on a virtual processor that is not running at the moment. If the uprobe is gone
// by then, the kernel simply lets the thread go on, but only while it believes that the
// process has uprobes. The first thread to get there finds the uprobe gone, and makes the
// kernel forget that belief if no mapped file has one. The next thread dies of SIGTRAP
// (uprobe_pre_sstep_notifier and mmf_recalc_uprobes of kernel/events/uprobes.c). Two threads
// that did nothing but meet probes died of it after these had come and gone a few hundred
// times.
//
// If memtrace is killed, the kernel takes its probes away in the reverse order of their
// descriptors (close_files of fs/file.c and task_work_run of kernel/task_work.c). So an anchor
// reserves its descriptor before there are other probes.
type Anchor struct {
	mu sync.Mutex
	fd int // -1 once closed
	// links holds probes that have no descriptor of their own, before Linux 5.15.
	links Links
}

// NewAnchor reserves the descriptor. Call it before any probe is in place.
func NewAnchor() (*Anchor, error) {
	// An eventfd takes no file.
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("reserve a descriptor: %w", err)
	}
	return &Anchor{fd: fd}, nil
}

// Hold keeps a probe in place of the one held before. A closed anchor closes it.
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

// FD returns the anchor's descriptor, -1 once it is closed.
func (a *Anchor) FD() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fd
}

// Close takes the probe away. Call it when all other probes are gone.
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
