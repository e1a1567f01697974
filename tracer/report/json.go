package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode"
	"unicode/utf8"
)

// JSON writes the report as one indented JSON document with a trailing newline, in the layout
// that Schema names. Empty lists are [], not null.
//
// A decoder gets every name back unchanged, with two exceptions: bytes that are not UTF-8,
// which JSON cannot carry, are written as \xNN, and names longer than 4 KiB are cut. A number
// that is not finite is an error.
func JSON(w io.Writer, r *Report) error {
	doc, err := encodeJSON(representable(r), "")
	if err != nil {
		return err
	}
	// Insert the lists of stacks where the document has them empty. No string can look like
	// the place, since strings in JSON contain no newline.
	lists := []struct {
		key, indent string
		n           int
		at          func(int) any
	}{
		{"stacks", "  ", len(r.Stacks), func(i int) any {
			s := r.Named(&r.Stacks[i])
			s.Allocator, s.Frames, s.Like = bounded(s.Allocator), representableFrames(s.Frames), representableLikes(s.Like)
			s.Freed = s.Freed.representable()
			s.Threads = representableThreads(s.Threads)
			return s
		}},
		{"fault_stacks", "    ", r.Growth.faultStacks(), func(i int) any { return r.NamedFaults(&r.Growth.FaultStacks[i]).representable() }},
	}
	for _, l := range lists {
		head, tail, _ := bytes.Cut(doc, []byte("\n"+l.indent+`"`+l.key+`": [`))
		if l.n == 0 {
			continue
		}
		doc = tail
		if err := writeAll(w, head, []byte("\n"+l.indent+`"`+l.key+`": [`)); err != nil {
			return err
		}
		for i := range l.n {
			one, err := encodeJSON(l.at(i), l.indent+"  ")
			if err != nil {
				return err
			}
			lead := "\n" + l.indent + "  "
			if i > 0 {
				lead = "," + lead
			}
			if err := writeAll(w, []byte(lead), bytes.TrimSuffix(one, []byte("\n"))); err != nil {
				return err
			}
		}
		if err := writeAll(w, []byte("\n"+l.indent)); err != nil {
			return err
		}
	}
	return writeAll(w, doc)
}

// encodeJSON encodes a document that is already representable. Every line but the first starts
// with indent.
func encodeJSON(doc any, indent string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // operator<, std::vector<int> and the like stay readable
	enc.SetIndent(indent, "  ")
	if err := enc.Encode(doc); err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return escapeInvisible(buf.Bytes()), nil
}

func writeAll(w io.Writer, texts ...[]byte) error {
	for _, text := range texts {
		if _, err := w.Write(text); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// writeJSON writes a document that is already representable.
func writeJSON(w io.Writer, doc any) error {
	text, err := encodeJSON(doc, "")
	if err != nil {
		return err
	}
	return writeAll(w, text)
}

// representable returns a copy of r without its stacks, in which every string from the traced
// process fits into JSON and no list is nil.
func representable(r *Report) *Report {
	c := *r
	c.Target = r.Target.representable()
	c.Notes, c.Hints, c.Unprobed = boundedAll(r.Notes), boundedAll(r.Hints), boundedAll(r.Unprobed)
	c.Stacks = []Stack{}
	c.Suppressed = representableSuppressed(r.Suppressed)
	c.Marks = slices.Clone(r.Marks)
	for i := range c.Marks {
		c.Marks[i].Name = bounded(c.Marks[i].Name)
	}
	c.Allocators = slices.Clone(r.Allocators)
	for i := range c.Allocators {
		c.Allocators[i].Allocator = bounded(c.Allocators[i].Allocator)
	}
	c.Threads, c.Modules = representableThreads(r.Threads), slices.Clone(r.Modules)
	for i := range c.Modules {
		c.Modules[i].Name = bounded(c.Modules[i].Name)
	}
	c.Growth, c.Heap = r.Growth.representable(), r.Heap.representable(r)
	c.Diagnosis = r.Diagnosis.representable()
	if r.Memory != nil {
		m := r.Memory.representable()
		c.Memory = &m
	}
	return &c
}

// representableFrames returns a copy of frames in which every string fits into JSON.
func representableFrames(frames []Frame) []Frame {
	frames = append([]Frame{}, frames...)
	for i := range frames {
		f := &frames[i]
		f.Function, f.Module, f.File = bounded(f.Function), bounded(f.Module), bounded(f.File)
	}
	return frames
}

// representable returns a copy of t in which every string fits into JSON.
func (t Target) representable() Target {
	for _, s := range []*string{&t.Command, &t.Exe, &t.Allocator, &t.Libc, &t.ExitSignal} {
		*s = bounded(*s)
	}
	return t
}

// boundedAll applies bounded to every string of a list.
func boundedAll(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		list[i] = bounded(list[i])
	}
	return list
}

// bounded returns s cut to about maxNameBytes, with the bytes escaped that are not UTF-8.
// encoding/json alone would replace each such byte by U+FFFD, which makes different names
// equal.
func bounded(s string) string {
	if len(s) <= maxNameBytes && utf8.ValidString(s) {
		return s
	}
	var b []byte
	for i := 0; i < len(s); {
		if len(b) >= maxNameBytes {
			return string(b) + ellipsis
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = fmt.Appendf(b, `\x%02x`, s[i])
		} else {
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return string(b)
}

// escapeInvisible writes as \uNNNN the characters of a JSON document that encoding/json lets
// through and escape would not: DEL, C1 controls, bidi controls and the like. They occur only
// inside strings, where the escaped form means the same.
func escapeInvisible(doc []byte) []byte {
	out := make([]byte, 0, len(doc))
	for len(doc) > 0 {
		r, size := utf8.DecodeRune(doc)
		switch {
		case r < 0x7f || unicode.IsPrint(r):
			out = append(out, doc[:size]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		doc = doc[size:]
	}
	return out
}

// Bare returns a copy of r without its stacks and those of page faults, in which every string fits
// into JSON.
func (r *Report) Bare() *Report { return representable(r) }
