package live

import (
	tea "charm.land/bubbletea/v2"
)

// key is what a key does.
type key struct {
	// names are how tea calls the keys, shown is how the view does, "" where another key's line
	// has it.
	names []string
	shown string
	// short is what it does in a word, for the last line of the screen; "" leaves it out there.
	short string
	help  string
	do    func(*model) tea.Cmd
}

// keys are all keys outside of prompts.
var keys = []key{
	{[]string{"q", "ctrl+c"}, "q, Ctrl-C", "quit", "end the trace, take the probes away, print the report", func(*model) tea.Cmd { return tea.Quit }},
	{[]string{"up", "k"}, "↑ ↓, k j", "", "the stack (or process) above, or below", func(m *model) tea.Cmd { return m.move(-1) }},
	{[]string{"down", "j"}, "", "", "", func(m *model) tea.Cmd { return m.move(1) }},
	{[]string{"pgup", "ctrl+b"}, "PgUp PgDn", "", "a page up, or down", func(m *model) tea.Cmd { return m.move(-max(m.page-1, 1)) }},
	{[]string{"pgdown", "ctrl+f"}, "", "", "", func(m *model) tea.Cmd { return m.move(max(m.page-1, 1)) }},
	{[]string{"home", "g"}, "Home End, g G", "", "the first, or the last", func(m *model) tea.Cmd { return m.move(-far) }},
	{[]string{"end", "G"}, "", "", "", func(m *model) tea.Cmd { return m.move(far) }},
	{[]string{"enter", "space", "right", "l"}, "Enter", "open", "show or hide the frames of a stack, or go into a process", (*model).expand},
	{[]string{"esc", "left", "h"}, "Esc", "", "hide frames, take the filter away, or go back to the processes", (*model).back},
	{[]string{"s"}, "s", "sort", "sort by the next order (as --sort: leak, size, count, ...)", (*model).nextSort},
	{[]string{"/"}, "/", "filter", "show only stacks through functions or modules with a text in their name", (*model).askFilter},
	{[]string{"H"}, "H", "", "what grows in the heap (with --heap), or the stacks again", (*model).showHeap},
	{[]string{"p"}, "p", "pause", "pause the view, or go on with it; the trace goes on meanwhile", (*model).pause},
	{[]string{"m"}, "m", "mark", "set a mark: show what was allocated since and is still there", (*model).setMark},
	{[]string{"M"}, "M", "", "forget the mark", (*model).dropMark},
	{[]string{"r"}, "r", "report", "write a report to a file now", (*model).askSave},
	{[]string{"ctrl+z"}, "Ctrl-Z", "", "stop memtrace; the probes stay in place (fg goes on)", func(*model) tea.Cmd { return lend(stop) }},
	{[]string{"ctrl+l"}, "Ctrl-L", "", "draw the screen anew", func(*model) tea.Cmd { return tea.ClearScreen }},
	{[]string{"?", "f1"}, "?", "help", "this list", func(m *model) tea.Cmd { m.help = true; return nil }},
}

// far is more than any list has.
const far = 1 << 30

// press does what a key does.
func (m *model) press(msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	m.notice.text = ""
	switch {
	case name == "ctrl+c":
		return tea.Quit
	case m.prompt != nil:
		return m.prompt.press(m, msg)
	case m.help && name != "q" && name != "ctrl+z":
		m.help = false
		return nil
	}
	for i := range keys {
		for _, n := range keys[i].names {
			if n == name {
				return keys[i].do(m)
			}
		}
	}
	return nil
}

func (m *model) nextSort() tea.Cmd {
	if len(m.cfg.Sorts) == 0 {
		return nil
	}
	m.sorted = (m.sorted + 1) % len(m.cfg.Sorts)
	m.selected, m.place, m.top, m.heap = nil, 0, 0, false
	return m.look()
}

func (m *model) pause() tea.Cmd {
	m.paused = !m.paused
	if m.paused {
		m.due++
		if m.looking {
			m.missed = m.begun
		}
		return nil
	}
	return m.look()
}

// setMark sets a mark.
func (m *model) setMark() tea.Cmd {
	return m.work(func() tea.Msg {
		if m.cfg.Mark != nil {
			m.cfg.Mark()
		}
		return markedMsg{}
	})
}

// marked shows what is new since a mark that was set. A look that is under way began before it.
func (m *model) marked() tea.Cmd {
	m.markFrom = m.begun + 1
	return m.look()
}

func (m *model) dropMark() tea.Cmd {
	m.markFrom = 0
	for _, h := range m.histories {
		h.unmark()
	}
	return nil
}

func (m *model) askFilter() tea.Cmd {
	m.prompt, m.heap = newFilterPrompt(m), false
	return nil
}

func (m *model) askSave() tea.Cmd {
	m.prompt = newSavePrompt(m)
	return nil
}
