package freeze

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/process/procmem"
)

// Config says what to take a picture of.
type Config struct {
	PID int
	// MaxStall is how long the process may be stopped.
	MaxStall time.Duration
	// MaxBytes is how much may be copied, 0 is no bound.
	MaxBytes uint64
	// Stopped is called, unless it is nil, with how long the process was stopped, whatever came of that.
	Stopped func(time.Duration)
}

// Picture is a process at one moment.
type Picture struct {
	Copy *procmem.Copy
	// Threads are all threads that there were.
	Threads []Thread
	// Kernel is what the kernel kept for the process.
	Kernel Kernel
}

// Thread is a thread's registers.
type Thread struct {
	TID int
	// Words are all registers that may hold pointers, also parts of wide ones.
	Words []uint64
	// Stack is the stack pointer, Pointer the thread pointer, or 0 where that is not known.
	Stack, Pointer uint64
}

// Close releases the copy, which nothing may use any more.
func (p *Picture) Close() error { return p.Copy.Close() }

// StallError means that the process would have to be stopped, or was, for too long. Nothing was
// copied.
type StallError struct {
	// Needed is how long it would take to copy Bytes at a rate of so many bytes a second. Needed is 0
	// if it was stopped, and let go when the time was over.
	Needed time.Duration
	Bytes  uint64
	Rate   float64
	Max    time.Duration
}

func (e *StallError) Error() string {
	if e.Needed == 0 {
		return fmt.Sprintf("it took more than %v to stop and copy it, so it was let go", e.Max)
	}
	return fmt.Sprintf("it would be stopped for about %v, more than %v", e.Needed.Round(time.Millisecond), e.Max)
}

// TracedError means that the process is under ptrace already.
type TracedError struct {
	// PID and Name are those of the tracer.
	PID  int
	Name string
}

func (e *TracedError) Error() string {
	return fmt.Sprintf("%s (pid %d) has it under ptrace", e.Name, e.PID)
}

// RoomError means that more would be copied than may be.
type RoomError struct{ Bytes uint64 }

func (e *RoomError) Error() string { return fmt.Sprintf("%d bytes would be copied", e.Bytes) }

// ErrGrew means that the process got much memory after it was looked at, before it was stopped, each
// time.
var ErrGrew = errors.New("its memory grew too fast to be copied")

// Take takes a picture. The error may be one of the above.
func Take(ctx context.Context, cfg Config) (p *Picture, err error) {
	for range 3 {
		if p, err = try(ctx, cfg); !errors.Is(err, ErrGrew) {
			break
		}
	}
	return p, err
}

// try takes a picture unless the process grows too fast.
func try(ctx context.Context, cfg Config) (*Picture, error) {
	if err := traced(cfg.PID); err != nil {
		return nil, err
	}
	mem, err := procmem.Open(cfg.PID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = mem.Close() }() // it was only read
	pages, err := procmem.OpenOwnPages(cfg.PID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = pages.Close() }() // it was only read
	t := &taking{cfg: cfg, mem: mem, pages: pages, maps: make([]byte, 0, 1<<20)}
	if err := t.plan(); err != nil {
		return nil, err
	}
	if err := t.measure(); err != nil {
		return nil, err
	}
	p := &Picture{}
	if p.Copy, err = procmem.NewCopy(t.room()); err != nil {
		return nil, err
	}
	if err = ctx.Err(); err == nil {
		err = t.take(p)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// taking is a picture being taken.
type taking struct {
	cfg   Config
	mem   *procmem.Memory
	pages *procmem.OwnPages
	maps  []byte
	// own are the pages to copy as they were before the stop, scan how long it took to find them and to read
	// what the kernel keeps.
	own   []piece
	bytes uint64
	scan  time.Duration
}

type piece struct{ start, end uint64 }

// slack is how much more there may be to copy when the process is stopped than was expected: a part of
// it, and so many bytes.
const (
	slackPart  = 16
	slackBytes = 16 << 20
)

func (t *taking) room() uint64 { return t.bytes + t.bytes/slackPart + slackBytes }

// plan finds out how much there is to copy.
func (t *taking) plan() error {
	began := time.Now()
	err := t.each(nil, func(start, end uint64, swapped bool) error {
		if !swapped {
			t.own = append(t.own, piece{start, end})
			t.bytes += end - start
		}
		return nil
	})
	if err == nil {
		_, err = ReadKernel(t.cfg.PID, func() error { return nil })
	}
	t.scan = time.Since(began)
	if err == nil && t.cfg.MaxBytes > 0 && t.room() > t.cfg.MaxBytes {
		err = &RoomError{Bytes: t.room()}
	}
	return err
}

// each reads the mappings and calls f with all pages that are the process's own. It notes in a copy,
// if there is one, what else that has to know.
func (t *taking) each(c *procmem.Copy, f func(start, end uint64, swapped bool) error) error {
	file, err := os.Open(fmt.Sprintf("/proc/%d/maps", t.cfg.PID))
	if err != nil {
		return fmt.Errorf("read the mappings: %w", err)
	}
	defer file.Close()
	text := bytes.NewBuffer(t.maps[:0])
	if _, err := text.ReadFrom(file); err != nil {
		return fmt.Errorf("read the mappings: %w", err)
	}
	t.maps = text.Bytes()
	var scanner procmaps.Scanner
	var failed error
	_, err = scanner.Scan(bytes.NewReader(t.maps), func(m *procmaps.Mapping) {
		if failed != nil || ofKernel(m) {
			return
		}
		if c != nil && m.Inode != 0 {
			c.OfFile(m.Start, m.End)
		}
		if m.Perms&procmaps.Shared != 0 {
			return
		}
		err := t.pages.Own(m.Start, m.End, func(start, end uint64, swapped bool) {
			if failed == nil {
				failed = f(start, end, swapped)
			}
		})
		if failed == nil {
			failed = err
		}
	})
	return errors.Join(failed, err)
}

func ofKernel(m *procmaps.Mapping) bool {
	switch m.Path {
	case "[vvar]", "[vdso]", "[vsyscall]", "[vvar_vclock]":
		return true
	}
	return false
}

// What a stop takes beside copying, at most: for all, and for each thread.
const (
	fixedStall  = 2 * time.Millisecond
	threadStall = 50 * time.Microsecond
)

const (
	// measures is how many samples are copied, of about sampleBytes.
	measures, sampleBytes = 3, 32 << 20
)

// sample copies some of the pages: every so many pieces, and a part of large ones.
func (t *taking) sample(c *procmem.Copy, try uint64) error {
	page := uint64(os.Getpagesize())
	step := max(t.bytes/sampleBytes, 1)
	for i, p := range t.own {
		size := p.end - p.start
		n := size
		switch large := uint64(sampleBytes / 4); {
		case size > large:
			n = max(size/step, large) / page * page
			p.start += (size - n) / measures * try / page * page
		case uint64(i)%step != try%step:
			continue
		}
		err := c.Take(t.mem, p.start, p.start+n, func() error { return nil })
		if errors.Is(err, procmem.ErrRoom) {
			break
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// measure copies some of the pages, of all parts, while the process runs on, and estimates from that
// how long it will be stopped.
func (t *taking) measure() error {
	c, err := procmem.NewCopy(min(t.room(), 2*sampleBytes))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // only the time counts
	var slowest float64              // seconds a byte
	for try := range uint64(measures) {
		c.Reset()
		began := time.Now()
		if err := t.sample(c, try); err != nil {
			return err
		}
		if n := c.Bytes(); n > 0 {
			slowest = max(slowest, time.Since(began).Seconds()/float64(n))
		}
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", t.cfg.PID))
	if err != nil {
		return fmt.Errorf("list the threads: %w", err)
	}
	needed := time.Duration(slowest*float64(t.bytes)*float64(time.Second)) + t.scan + fixedStall + time.Duration(len(threads))*threadStall
	if needed > t.cfg.MaxStall {
		rate := 0.0
		if slowest > 0 {
			rate = 1 / slowest
		}
		return &StallError{Needed: needed, Bytes: t.bytes, Rate: rate, Max: t.cfg.MaxStall}
	}
	return nil
}

// take stops the process, copies, and lets it go.
func (t *taking) take(p *Picture) error {
	took, err := stopped(t.cfg.PID, t.cfg.MaxStall, func(s *stop) error {
		t.pages.On = s.on
		err := t.each(p.Copy, func(start, end uint64, swapped bool) error {
			if swapped {
				p.Copy.Swapped(start, end)
				return nil
			}
			return p.Copy.Take(t.mem, start, end, s.on)
		})
		if errors.Is(err, procmem.ErrRoom) {
			err = ErrGrew
		}
		if err == nil {
			p.Kernel, err = ReadKernel(t.cfg.PID, s.on)
		}
		p.Threads = s.threads
		return err
	})
	if took > 0 && t.cfg.Stopped != nil {
		t.cfg.Stopped(took)
	}
	p.Copy.Maps = bytes.Clone(t.maps)
	if errors.Is(err, errOver) {
		err = &StallError{Bytes: t.bytes, Max: t.cfg.MaxStall}
	}
	return err
}
