// Package terminal runs programs in a pseudo-terminal, for tests of what is on the screen, and draws
// pictures of it.
package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Terminal is a terminal with a program in it, whose controlling terminal it is.
type Terminal struct {
	master *os.File
	// mu guards the screen and what follows: all that came to the terminal, and its size.
	mu            sync.Mutex
	screen        *vt.Emulator
	written       strings.Builder
	columns, rows int
	ended         chan struct{}
	status        error
}

// Start runs a command in a terminal of a size.
func Start(cmd *exec.Cmd, columns, rows int) (*Terminal, error) {
	t := &Terminal{screen: vt.NewEmulator(columns, rows), columns: columns, rows: rows, ended: make(chan struct{})}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "TERM=xterm-256color", "NO_COLOR=", "COLORTERM=")
	master, err := pty.StartWithSize(cmd, size(columns, rows))
	if err != nil {
		return nil, fmt.Errorf("start in a terminal: %w", err)
	}
	if t.master, err = pollable(master); err != nil {
		return nil, fmt.Errorf("open the terminal anew: %w", err)
	}
	master = t.master
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(t, master) }) // until all have closed the terminal
	go func() { _, _ = io.Copy(master, t.screen) }() // what the terminal answers to queries
	go func() {
		t.status = cmd.Wait()
		// What a program has written before its end comes a moment later.
		done := make(chan struct{})
		go func() { reading.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(time.Second):
		}
		close(t.ended)
	}()
	return t, nil
}

func size(columns, rows int) *pty.Winsize {
	return &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}
}

// Write takes up what the program has written.
func (t *Terminal) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written.Write(text)
	return t.screen.Write(text)
}

// Written is all that came to the terminal.
func (t *Terminal) Written() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written.String()
}

// Type sends keys.
func (t *Terminal) Type(keys string) error {
	_, err := io.WriteString(t.master, keys)
	return err
}

// Resize gives the terminal another size.
func (t *Terminal) Resize(columns, rows int) error {
	t.mu.Lock()
	t.columns, t.rows = columns, rows
	t.screen.Resize(columns, rows)
	t.mu.Unlock()
	raw, err := t.master.SyscallConn()
	if err != nil {
		return err
	}
	var setErr error
	err = raw.Control(func(fd uintptr) {
		setErr = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(columns)})
	})
	return errors.Join(err, setErr)
}

// pollable returns a file that can be closed while it is read, for one that cannot since it was
// asked for its descriptor.
func pollable(file *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), file.Name()), file.Close()
}

// HangUp closes the terminal, as its window's end does.
func (t *Terminal) HangUp() error { return t.master.Close() }

// Lines are the lines of the screen, without spaces at their ends.
func (t *Terminal) Lines() []string {
	var lines []string
	for _, row := range t.cells() {
		var b strings.Builder
		for _, c := range row {
			b.WriteString(c.Content)
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

// cells are the cells of the screen. A wide character has one.
func (t *Terminal) cells() [][]uv.Cell {
	t.mu.Lock()
	defer t.mu.Unlock()
	screen := make([][]uv.Cell, t.rows)
	for y := range screen {
		for x := 0; x < t.columns; {
			c := uv.Cell{Content: " ", Width: 1}
			if known := t.screen.CellAt(x, y); known != nil && known.Width > 0 && known.Content != "" {
				c = *known
			}
			screen[y] = append(screen[y], c)
			x += c.Width
		}
	}
	return screen
}

// Text is the screen.
func (t *Terminal) Text() string { return strings.Join(t.Lines(), "\n") }

// WaitFor waits until the screen satisfies a condition, or the program has ended and it does not.
func (t *Terminal) WaitFor(most time.Duration, what string, is func(screen string) bool) error {
	for deadline := time.Now().Add(most); ; time.Sleep(5 * time.Millisecond) {
		ended := false
		select {
		case <-t.ended:
			ended = true
		default:
		}
		switch text := t.Text(); {
		case is(text):
			return nil
		case ended:
			return fmt.Errorf("the program has ended before there was %s on the screen:\n%s", what, text)
		case time.Now().After(deadline):
			return fmt.Errorf("no %s on the screen after %v:\n%s", what, most, text)
		}
	}
}

// Wait waits for the end of the program, and returns how it ended as exec.Cmd.Wait does.
func (t *Terminal) Wait(most time.Duration) error {
	select {
	case <-t.ended:
		return t.status
	case <-time.After(most):
		return fmt.Errorf("the program has not ended after %v:\n%s", most, t.Text())
	}
}
