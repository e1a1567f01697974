package live

import (
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sys/unix"
)

// terminalLent is something that is done while the terminal is as the shell wants it.
type terminalLent func() error

func (f terminalLent) Run() error        { return f() }
func (terminalLent) SetStdin(io.Reader)  {}
func (terminalLent) SetStdout(io.Writer) {}
func (terminalLent) SetStderr(io.Writer) {}

// lend does f while the terminal is given back, and then shows the whole view again.
func lend(f terminalLent) tea.Cmd {
	return tea.Exec(f, func(error) tea.Msg { return repaintedMsg{} })
}

// ownStop is true while stop is at work, and for a moment afterwards.
var ownStop atomic.Bool

// repaint is for when something else had memtrace stopped and continued. Bubble Tea's old renderer
// stops the clock that the new one runs by, unless it has the time to end first.
func repaint() error {
	const toEnd = 100 * time.Millisecond
	time.Sleep(toEnd)
	return nil
}

// stop stops the process and what runs in its job, as Ctrl-Z does. It returns when the shell has
// it continue. Where there is no shell that could, the kernel does not stop it, and stop returns
// soon.
func stop() error {
	const notStopped = 300 * time.Millisecond
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	ownStop.Store(true)
	defer time.AfterFunc(time.Second, func() { ownStop.Store(false) })
	// Nobody may have called signal.Notify for this signal: Go would go on catching it.
	if err := unix.Kill(0, unix.SIGTSTP); err != nil {
		return err
	}
	select {
	case <-continued:
	case <-time.After(notStopped):
	}
	return nil
}
