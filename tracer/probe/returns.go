package probe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"memtrace/bpf"
)

// focusProgram sees blocks where calls return: see bpf/focus.h.
const focusProgram = "focus_return"

// MostReturns is how many places can have a probe that sees calls return. Before Linux 6.6 each takes
// a descriptor and a grace period of its own.
func (s *Set) MostReturns() int {
	const single = 64
	if !s.uprobeMulti {
		return single
	}
	return int(s.objs.FocusSites.MaxEntries()) / 2
}

// Return is a place to which allocation functions return, by its address in a process.
type Return struct {
	PID  uint32
	Addr uint64
}

func (r Return) key() bpf.MemtraceFocusKey { return bpf.MemtraceFocusKey{Ip: r.Addr, Tgid: r.PID} }

// Met is how often a place was met since it was added, and how many blocks could not be told of.
type Met struct{ Hits, Lost uint64 }

// LimitReturns sets how often each place may report within 8.6 s.
func (s *Set) LimitReturns(most uint32) error { return s.objs.FocusMost.Set(most) }

// ErrManyReturns means that there is no room for more places.
var ErrManyReturns = errors.New("too many places where calls return")

// AddReturn makes probes at a place report. Until it is added they only cost time.
func (s *Set) AddReturn(r Return) error {
	err := s.objs.FocusSites.Put(r.key(), bpf.MemtraceFocusSite{})
	if errors.Is(err, unix.E2BIG) {
		return ErrManyReturns
	}
	if err != nil {
		return fmt.Errorf("tell the probes of a place where calls return: %w", err)
	}
	return nil
}

// DropReturn undoes AddReturn.
func (s *Set) DropReturn(r Return) error {
	if err := s.objs.FocusSites.Delete(r.key()); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("make the probes forget a place where calls return: %w", err)
	}
	return nil
}

// ReturnsMet is how often all places were met so far, and how often probes were met at others. It is
// cheap.
func (s *Set) ReturnsMet() (met, strays uint64, err error) {
	err = errors.Join(s.objs.FocusHits.Get(&met), s.objs.FocusStrays.Get(&strays))
	return met, strays, err
}

// EachReturn calls f with how often each place was met. It stops at an error.
func (s *Set) EachReturn(f func(Return, Met)) error {
	const batch = 1 << 10
	keys, values := make([]bpf.MemtraceFocusKey, batch), make([]bpf.MemtraceFocusSite, batch)
	for cursor := new(ebpf.MapBatchCursor); ; {
		n, err := s.objs.FocusSites.BatchLookup(cursor, keys, values, nil)
		for i := range n {
			f(Return{keys[i].Tgid, keys[i].Ip}, Met{values[i].Hits, values[i].Lost})
		}
		switch {
		case errors.Is(err, ebpf.ErrKeyNotExist):
			return nil // the end
		case err != nil:
			return fmt.Errorf("read what the places were met where calls return: %w", err)
		}
	}
}

// AttachReturns puts probes on places in a file that see calls return, for one process. On an error
// nothing stays attached.
func (s *Set) AttachReturns(pid int, path string, offsets []uint64) (Links, error) {
	prog, err := s.entries.focusProgram()
	if err != nil {
		return nil, explainLoad(err, s.options.Logf)
	}
	u, err := s.openUprobes(path, pid)
	if err != nil {
		return nil, err
	}
	u.all = s.attached
	if err := u.attach(prog, offsets, false); err != nil {
		return nil, errors.Join(err, s.attached.Close(u.links))
	}
	return u.links, nil
}

// CloseReturns takes such probes away.
func (s *Set) CloseReturns(l Links) error { return s.attached.Close(l) }

// focusProgram returns the program for these places, which is loaded at its first use. It stays the
// entries' own.
func (e *entries) focusProgram() (*ebpf.Program, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.focus != nil {
		return e.focus, nil
	}
	spec := e.spec.Copy()
	program := spec.Programs[focusProgram]
	clear(spec.Programs)
	spec.Programs[focusProgram] = program
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: e.shared})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	e.focus = c.DetachProgram(focusProgram)
	return e.focus, nil
}
