package live

import (
	"slices"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"memtrace/tracer/report"
)

// model is the state of a view.
type model struct {
	cfg           Config
	work          func(func() tea.Msg) tea.Cmd // makes a command for whose end the view waits
	width, height int

	// reports are those of the last look, the worst first, at is when that was.
	reports   []*report.Report
	histories map[string]*history
	// looking: a look is under way, and again: another one is to follow it. due is the number of
	// the next one that a timer has come, every how long that takes.
	looking, again bool
	due            int
	// begun is the number of the last look that has begun. What looks up to the number missed show
	// is not taken up, and the first one from markFrom on sets the mark, unless that is 0.
	begun, missed, markFrom int
	every                   time.Duration
	// lastCost is what the look before took.
	lastCost time.Duration
	// load is the part of a processor that memtrace has used since the look before, at the times
	// usedAt and of used.
	load   float64
	used   time.Duration
	usedAt time.Time

	// inside is the key of the process that is shown, "" for the list of processes. chosen is
	// that of the list's selected one.
	inside, chosen string
	sorted         int // the index in cfg.Sorts
	paused         bool
	filter         string
	// selected is the series of the selected stack, place its row; top is the first line of the
	// list that is on the screen. open are the stacks whose frames are shown.
	selected *series
	place    int
	top      int
	open     map[*series]bool
	// heap: what grows in the heap is listed instead of the stacks, from line heapTop on.
	heap    bool
	heapTop int
	// page is how many lines the list has on the screen.
	page   int
	help   bool
	prompt *prompt
	notice notice
}

// notice is a message on the last line, until a time.
type notice struct {
	text  string
	until time.Time
}

const noticeTime = 5 * time.Second

func newModel(cfg Config) *model {
	return &model{
		cfg: cfg, width: 80, height: 24, histories: make(map[string]*history),
		open: make(map[*series]bool), used: ownTime(), usedAt: time.Now(), every: leastInterval,
	}
}

// Init starts the first look.
func (m *model) Init() tea.Cmd { return m.look() }

// Update takes up what has happened.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case lookMsg:
		return m, m.looked(msg)
	case dueMsg:
		if int(msg) == m.due && !m.paused {
			return m, m.look()
		}
	case sayMsg:
		m.say(report.Escape(string(msg)))
	case savedMsg:
		if msg.err != nil {
			m.say(report.Escape(msg.err.Error()))
		} else {
			m.say("written: " + report.Escape(msg.path))
		}
	case saveMsg:
		return m, newSavePrompt(m).accept(m)
	case markMsg:
		return m, m.setMark()
	case markedMsg:
		return m, m.marked()
	case continuedMsg:
		return m, lend(repaint)
	case tea.PasteMsg:
		if m.prompt != nil {
			m.prompt.insert(m, msg.Content)
		}
	case tea.KeyPressMsg:
		return m, m.press(msg)
	}
	return m, nil
}

// say shows a text that is safe for a terminal.
func (m *model) say(text string) {
	m.notice = notice{text: text, until: time.Now().Add(noticeTime)}
}

// take makes what a look has shown what is on the screen.
func (m *model) take(msg lookMsg) {
	now, used := time.Now(), ownTime()
	if passed := now.Sub(m.usedAt); passed > leastInterval/2 {
		m.load, m.used, m.usedAt = float64(used-m.used)/float64(passed), used, now
	}
	m.reports = report.WorstFirst(msg.reports)
	marks := m.markFrom > 0 && msg.number >= m.markFrom
	known := make(map[string]*history)
	for _, r := range m.reports {
		key := keyOf(r)
		h := m.histories[key]
		if h == nil {
			h = newHistory()
		}
		known[key] = h
		h.add(r)
		if marks {
			h.mark(r)
		}
	}
	if marks && len(m.reports) > 0 {
		m.markFrom = 0
	}
	m.histories = known
	if m.inside != "" && known[m.inside] == nil {
		m.leave()
	}
	m.forgetOpen()
}

// forgetOpen forgets open stacks that have gone for good.
func (m *model) forgetOpen() {
	for s := range m.open {
		gone := true
		for _, h := range m.histories {
			gone = gone && h.looks-s.look > looksKept
		}
		if gone {
			delete(m.open, s)
		}
	}
}

// keyOf tells the processes of several reports apart, also where two had one pid.
func keyOf(r *report.Report) string {
	key := strconv.Itoa(r.Target.PID)
	if r.Target.Exited {
		key += " ended " + r.Target.Exe
	}
	return key
}

// sort is the order of the stacks.
func (m *model) sort() string {
	if len(m.cfg.Sorts) == 0 {
		return ""
	}
	return m.cfg.Sorts[m.sorted%len(m.cfg.Sorts)]
}

// shown is the report that is shown, nil for the list of processes or before the first look.
func (m *model) shown() *report.Report {
	if len(m.reports) == 1 {
		return m.reports[0]
	}
	i := slices.IndexFunc(m.reports, func(r *report.Report) bool { return keyOf(r) == m.inside })
	if i < 0 || m.inside == "" {
		return nil
	}
	return m.reports[i]
}

// leave shows the list of processes.
func (m *model) leave() {
	m.inside, m.selected, m.place, m.top, m.heap = "", nil, 0, 0, false
}

// enter shows one process.
func (m *model) enter(r *report.Report) {
	m.inside, m.selected, m.place, m.top, m.heap = keyOf(r), nil, 0, 0, false
}
