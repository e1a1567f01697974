package report

import (
	"io"
	"slices"
	"strings"
)

// Form is a form that a report can be written in.
type Form struct {
	// Name is how it is asked for.
	Name string
	// Single forms hold one report, of a trace that is over. Binary ones are not for a terminal,
	// Separated ones have a blank line between reports.
	// Totals ones show what was allocated in all, also by stacks that hold nothing any more.
	Single, Binary, Separated, Totals bool
	// Top is how many stacks the form has unless that is asked for; 0 leaves it to the asker.
	Top int
	// Media is its type for browsers, by default plain text or, if it is binary, any bytes.
	Media string
	// Write writes a report. Errors come only from w.
	Write func(w io.Writer, r *Report, opt TextOptions) error
	// WriteSeveral writes the reports of several processes as one, where the form has something
	// to say of them together or holds only one report; else it is nil.
	WriteSeveral func(w io.Writer, list []*Report, opt TextOptions) error
}

// forms are all, the default first.
var forms = []Form{
	{Name: "text", Separated: true, Write: Text, WriteSeveral: TextSeveral},
	{Name: "json", Media: "application/json", Write: fixed(JSON)},
	{Name: "folded", Single: true, Write: fixed(Folded)},
	{Name: "pprof", Single: true, Binary: true, Totals: true, Write: fixed(Pprof), WriteSeveral: severalFixed(PprofSeveral)},
	{Name: "speedscope", Media: "application/json", Single: true, Write: fixed(Speedscope), WriteSeveral: severalFixed(SpeedscopeSeveral)},
}

// MediaType is the type of the form for browsers.
func (f Form) MediaType() string {
	switch {
	case f.Media != "":
		return f.Media
	case f.Binary:
		return "application/octet-stream"
	}
	return "text/plain; charset=utf-8"
}

// WriteAll writes the reports of some processes: as one where the form can do that, or else one
// after the other.
func (f Form) WriteAll(w io.Writer, list []*Report, opt TextOptions) error {
	if f.WriteSeveral != nil && len(list) > 1 {
		return f.WriteSeveral(w, list, opt)
	}
	for i, r := range list {
		if f.Separated && i > 0 {
			if err := writeAll(w, []byte("\n")); err != nil {
				return err
			}
		}
		if err := f.Write(w, r, opt); err != nil {
			return err
		}
	}
	return nil
}

// WithTop returns a copy of a report with the first n of its stacks, or all of them if n is 0.
func (r *Report) WithTop(n int) *Report {
	c := *r
	if n > 0 && len(c.Stacks) > n {
		c.Stacks = c.Stacks[:n]
	}
	if g := c.Growth; g != nil && n > 0 && len(g.FaultStacks) > n {
		few := *g
		few.FaultStacks = few.FaultStacks[:n]
		c.Growth = &few
	}
	return &c
}

// AddForm adds a form that is made elsewhere, behind all others. It is for the start of a program.
func AddForm(f Form) { forms = append(forms, f) }

// fixed makes a Form.Write of a form without options.
func fixed(write func(io.Writer, *Report) error) func(io.Writer, *Report, TextOptions) error {
	return func(w io.Writer, r *Report, _ TextOptions) error { return write(w, r) }
}

// severalFixed makes a Form.WriteSeveral of a form without options.
func severalFixed(write func(io.Writer, []*Report) error) func(io.Writer, []*Report, TextOptions) error {
	return func(w io.Writer, list []*Report, _ TextOptions) error { return write(w, list) }
}

// FindForm returns the form of a name; ok is false if there is none.
func FindForm(name string) (form Form, ok bool) {
	i := slices.IndexFunc(forms, func(f Form) bool { return f.Name == name })
	if i < 0 {
		return Form{}, false
	}
	return forms[i], true
}

// Names are the names of all forms, the default first.
func Names() []string {
	var names []string
	for _, f := range forms {
		names = append(names, f.Name)
	}
	return names
}

// FormNames lists the names of all forms, the default first, with last before the last one.
func FormNames(separator, last string) string {
	names := Names()
	n := len(names) - 1
	return strings.Join(names[:n], separator) + last + names[n]
}
