package live

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
)

// Config says what a view shows, and what its keys do. The functions are called from goroutines of
// the view, and none of them after Run has returned.
type Config struct {
	// In and Out are the terminal.
	In, Out *os.File
	// Color allows terminal sequences for bold, dim and red.
	Color bool
	// Sorts are the orders of stacks, the first of which is used at first.
	Sorts []string
	// Look makes a report of each process with the stacks in such an order. There is one call at
	// a time.
	Look func(sort string) []*report.Report
	// Forms are the names of the forms that Save can write, the first of which is offered first.
	Forms []string
	// Save writes a report of all processes to a file that must not exist.
	Save func(form, path string) error
	// Mark, unless nil, is told that the user has set a mark. It may take its time.
	Mark func()
	// Note, unless nil, returns a remark that the view should show, or "".
	Note func() string
}

// View is a live view. New makes it, Run shows it.
type View struct {
	program *tea.Program
	// mu guards over, which says that nothing may begin any more; working is what has begun.
	mu      sync.Mutex
	over    bool
	working sync.WaitGroup
	// asked gets what the view is to do.
	asked chan tea.Msg
}

// framesPerSecond is how often the screen may change.
const framesPerSecond = 20

// New makes a view.
func New(cfg Config) *View {
	v := &View{asked: make(chan tea.Msg, 16)}
	m := newModel(cfg)
	m.work = v.background
	options := []tea.ProgramOption{
		tea.WithInput(cfg.In), tea.WithOutput(cfg.Out), tea.WithFPS(framesPerSecond),
		tea.WithoutSignalHandler(), // what a signal means is the caller's
	}
	if cfg.Color {
		options = append(options, tea.WithColorProfile(colorprofile.ANSI))
	}
	v.program = tea.NewProgram(m, options...)
	return v
}

// background makes a command of f, for whose end Run waits.
func (v *View) background(f func() tea.Msg) tea.Cmd {
	return func() tea.Msg {
		v.mu.Lock()
		if v.over {
			v.mu.Unlock()
			return nil
		}
		v.working.Add(1)
		v.mu.Unlock()
		defer v.working.Done()
		return f()
	}
}

// Run shows the view until the user quits or ctx is done. The terminal is then as it was. An error
// says that the terminal is gone, or that it cannot show a view.
func (v *View) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, v.program.Quit)
	defer stop()
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	over := make(chan struct{})
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			select {
			case <-continued:
				if !ownStop.Load() {
					v.program.Send(continuedMsg{})
				}
			case msg := <-v.asked:
				v.program.Send(msg)
			case <-over:
				return
			}
		}
	})
	_, err := v.program.Run()
	signal.Stop(continued)
	close(over)
	passing.Wait()
	v.mu.Lock()
	v.over = true
	v.mu.Unlock()
	v.working.Wait()
	if err != nil {
		return fmt.Errorf("show the live view: %w", err)
	}
	return nil
}

// Say shows a message. It may hold names that others chose. It never waits: where messages come
// too fast, or while the terminal is stalled, some are not shown.
func (v *View) Say(text string) { v.ask(sayMsg(text)) }

// Mark sets a mark as the user's key does.
func (v *View) Mark() { v.ask(markMsg{}) }

// Save writes a report to a file as the user's key does, in the form and with the name that are
// offered first.
func (v *View) Save() { v.ask(saveMsg{}) }

// ask has the view do something, without waiting for that.
func (v *View) ask(msg tea.Msg) {
	select {
	case v.asked <- msg:
	default:
	}
}

type (
	// lookMsg is what the look of a number has shown. cost is the processor time that it took.
	lookMsg struct {
		number  int
		reports []*report.Report
		cost    time.Duration
	}
	// dueMsg says that the look of a number is due.
	dueMsg int
	sayMsg string
	// savedMsg says how writing a report has ended.
	savedMsg struct {
		path string
		err  error
	}
	saveMsg      struct{}
	markMsg      struct{}
	markedMsg    struct{}
	continuedMsg struct{}
	repaintedMsg struct{}
)
