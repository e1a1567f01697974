package patience

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// files asks a child process for files. It starts the child at the first question, and a new
// one in place of a child that hangs.
type files struct {
	mu    sync.Mutex
	child *child
	// hung has the devices of files that have hung, good those of files that have not.
	hung, good map[uint64]bool
	// times is how often a child was given up, lookups how often that was because of a path.
	times, lookups int
	off            bool // no child can be started
}

var shared = files{hung: make(map[uint64]bool), good: make(map[uint64]bool)}

// A process may map any number of files that hang, each on a device of its own. Once maxHung
// files have hung, only devices that have answered before are asked, and no paths are looked
// up. Paths are no longer looked up, either, once maxLookups of them have hung.
const (
	maxHung    = 8
	maxLookups = 3
)

var (
	errNoChild = errors.New("no child can be started")
	errHangs   = errors.New("it hangs")
)

// ask returns the answer to a question about a file called name. dev is the file's device, or
// 0 if it is unknown because a path has to be looked up.
func (f *files) ask(q *question, dev uint64, name string, limit time.Duration) (answer, []byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	silent := &NoAnswerError{What: name, After: Limit}
	if f.hung[dev] || f.times >= maxHung && !f.good[dev] || dev == 0 && f.lookups >= maxLookups || limit <= 0 {
		return answer{}, nil, silent
	}
	if f.off {
		return answer{}, nil, errNoChild
	}
	if f.child == nil {
		var err error
		if f.child, err = startChild(); err != nil {
			f.off = true
			return answer{}, nil, errNoChild
		}
	}
	r, err := f.child.ask(q, limit)
	switch {
	case errors.Is(err, errHangs):
		f.times++
		if f.hung[dev] = dev != 0; dev == 0 {
			f.lookups++
		}
		err = silent
	case err == nil:
		f.good[dev] = dev != 0
		if r.Error != 0 {
			err = &os.PathError{Op: "open", Path: name, Err: r.Error}
		}
		return r.answer, r.data, err
	}
	f.child.leave()
	f.child = nil
	return answer{}, nil, err
}

// child is a process that opens and reads files.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies chan reply // closed when the child ends
}

type reply struct {
	answer
	data []byte
}

func startChild() (*child, error) {
	c := &child{cmd: exec.Command("/proc/self/exe"), replies: make(chan reply, 1)}
	c.cmd.Args = []string{childName}
	// Run it in its own session, so that it does not get a terminal's Ctrl-C.
	c.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go c.listen(bufio.NewReaderSize(out, 64<<10))
	return c, nil
}

func (c *child) listen(out *bufio.Reader) {
	defer close(c.replies)
	for {
		line, err := out.ReadString('\n')
		if err != nil {
			return
		}
		var r reply
		if _, err := fmt.Sscanf(line, answerFormat, r.fields()...); err != nil || r.Size < 0 || r.Size > maxPiece {
			return
		}
		r.data = make([]byte, r.Size)
		if _, err := io.ReadFull(out, r.data); err != nil {
			return
		}
		c.replies <- r
	}
}

func (c *child) ask(q *question, limit time.Duration) (reply, error) {
	if _, err := fmt.Fprintf(c.in, questionFormat, values(q.fields())...); err != nil {
		return reply{}, fmt.Errorf("ask the child: %w", err)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for range mostLimits {
		select {
		case r, ok := <-c.replies:
			if !ok {
				return reply{}, fmt.Errorf("ask the child: %w", io.ErrUnexpectedEOF)
			}
			return r, nil
		case <-timer.C:
		}
		if hangs(c.cmd.Process.Pid) {
			break
		}
		timer.Reset(limit)
	}
	return reply{}, errHangs
}

// leave makes a child end as soon as it can.
func (c *child) leave() {
	_ = c.cmd.Process.Kill()
	_ = c.in.Close()
	go func() {
		for range c.replies {
			continue
		}
		_ = c.cmd.Wait()
	}()
}
