package live

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"memtrace/tracer/report"
)

// prompt is a question on the last line of the screen.
type prompt struct {
	// question is what comes before the text.
	question func() string
	text     string
	// changed is called after each change of the text, tab at the tab key; either may be nil.
	changed func()
	tab     func()
	// accept is what Enter does, cancel what Esc does.
	accept func(*model) tea.Cmd
	cancel func()
}

// longestText bounds what can be typed, in bytes.
const longestText = 4096

// insert appends what was typed or pasted.
func (p *prompt) insert(_ *model, text string) {
	text, _, _ = strings.Cut(text, "\n")
	text = strings.Trim(text, "\r")
	if !utf8.ValidString(text) || len(p.text)+len(text) > longestText {
		return
	}
	p.text += text
	p.edited()
}

func (p *prompt) edited() {
	if p.changed != nil {
		p.changed()
	}
}

func (p *prompt) press(m *model, msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "enter":
		m.prompt = nil
		return p.accept(m)
	case "esc":
		m.prompt = nil
		p.cancel()
	case "backspace", "ctrl+h":
		_, size := utf8.DecodeLastRuneInString(p.text)
		p.text = p.text[:len(p.text)-size]
		p.edited()
	case "ctrl+u", "ctrl+w":
		p.text = ""
		p.edited()
	case "tab":
		if p.tab != nil {
			p.tab()
		}
	case "ctrl+z":
		return lend(stop)
	default:
		if msg.Text != "" {
			p.insert(m, msg.Text)
		}
	}
	return nil
}

// String is the prompt in so many columns. Of a long text the end is shown.
func (p *prompt) draw(width int) string {
	const cursor = "█"
	question, text := p.question(), report.Escape(p.text)
	room := width - report.Columns(question) - 1
	if least := width / 2; room < least {
		question, room = report.Cut(question, max(width-least-1, 0)), least
	}
	for report.Columns(text) > room && text != "" {
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
	}
	return question + text + cursor
}

// newFilterPrompt asks for the filter, which applies as it is typed.
func newFilterPrompt(m *model) *prompt {
	before := m.filter
	p := &prompt{text: before}
	p.question = func() string { return "filter (function or module): " }
	p.changed = func() { m.filter, m.selected, m.place, m.top = p.text, nil, 0, 0 }
	p.accept = func(*model) tea.Cmd { return nil }
	p.cancel = func() { p.text = before; p.changed() }
	return p
}

// endings are those of file names, of forms that have another one than their name.
var endings = map[string]string{"text": "txt", "pprof": "pb.gz"}

// newSavePrompt asks where to write a report, and in which form.
func newSavePrompt(m *model) *prompt {
	forms := m.cfg.Forms
	if len(forms) == 0 {
		forms = []string{"text"}
	}
	form := 0
	name := func() string {
		pid := ""
		if r := m.shown(); r != nil {
			pid = fmt.Sprintf("-%d", r.Target.PID)
		}
		ending := endings[forms[form]]
		if ending == "" {
			ending = forms[form]
		}
		return "memtrace" + pid + time.Now().Format("-150405.") + ending
	}
	p := &prompt{text: name()}
	offered := p.text
	p.question = func() string {
		if len(forms) == 1 {
			return "report to the file: "
		}
		others := slices.Concat(forms[form+1:], forms[:form])
		return fmt.Sprintf("report as %s (Tab: %s) to the file: ", forms[form], strings.Join(others, ", "))
	}
	p.tab = func() {
		form = (form + 1) % len(forms)
		if p.text == offered {
			p.text = name()
			offered = p.text
		}
	}
	p.cancel = func() {}
	p.accept = func(m *model) tea.Cmd {
		save, as, path := m.cfg.Save, forms[form], p.text
		if path == "" {
			m.say("no report: the file has no name")
			return nil
		}
		if _, err := os.Lstat(path); err == nil {
			m.say("not written: " + report.Escape(path) + " is there already")
			return nil
		}
		m.say("writing " + report.Escape(path))
		return m.work(func() tea.Msg { return savedMsg{path: path, err: save(as, path)} })
	}
	return p
}
