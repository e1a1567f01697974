package html

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"strings"

	"memtrace/tracer/report"
)

// data is what the scripts are given of a report, or of a difference. The stacks take the most room, so
// their frames are a tree, in which callers that stacks have in common are there once, and their figures
// are columns.
type data struct {
	// Report is the JSON form, without stacks and what is in the heap, and so is Diff. One of them is there.
	Report json.RawMessage `json:"report,omitempty"`
	Diff   json.RawMessage `json:"diff,omitempty"`
	// Strings are the names. Frames has for each frame its function, module and file, as indices in
	// Strings, the line, and flags: 1 for an inlined call, 2 for a library.
	Strings []string `json:"strings"`
	Frames  [][5]int `json:"frames"`
	// Parents and Nodes are the tree: of each node the node of its caller, which comes before it, or
	// -1, and the frame.
	Parents []int `json:"parents"`
	Nodes   []int `json:"nodes"`
	// Leaves are the nodes of the stacks.
	Leaves []int `json:"leaves"`
	// Columns are the plain figures of the stacks, by their names in the JSON form, and what judged
	// says of them. Details are the others, by the indices of the stacks.
	Columns map[string][]json.RawMessage       `json:"columns"`
	Details map[int]map[string]json.RawMessage `json:"details"`
}

// packedFrom is the size in bytes from which data are packed. Smaller ones can be read by people.
const packedFrom = 256 << 10

// encode makes the data of a report, safe to stand in a script element: JSON or, where that is long,
// a string of JSON that has it as gzip in base64.
func encode(r *report.Report) (template.JS, error) {
	b := newBuilder()
	bare := *r
	bare.Stacks, bare.Name, bare.Heap = nil, nil, nil
	if r.Growth != nil {
		g := *r.Growth
		g.FaultStacks = nil
		bare.Growth = &g
	}
	var text bytes.Buffer
	err := report.JSON(&text, &bare)
	if err != nil {
		return "", err
	}
	if b.data.Report, err = escapeStrings(text.Bytes()); err != nil {
		return "", err
	}
	for i := range r.Stacks {
		s := r.Named(&r.Stacks[i])
		if err := b.add(i, &s); err != nil {
			return "", fmt.Errorf("encode stack %s: %w", s.ID, err)
		}
	}
	return b.script()
}

func pack(doc []byte) template.JS {
	var text strings.Builder
	text.WriteByte('"')
	encoder := base64.NewEncoder(base64.StdEncoding, &text)
	packer := gzip.NewWriter(encoder)
	_, _ = packer.Write(doc) // a Builder has no errors
	_ = packer.Close()
	_ = encoder.Close()
	text.WriteByte('"')
	return template.JS(text.String())
}

// builder collects the data.
type builder struct {
	data
	// strings are by the names as they are, before they are escaped.
	strings map[string]int
	frames  map[[5]int]int
	nodes   map[[2]int]int
	// taken is how many bytes Strings has.
	taken int
}

func newBuilder() *builder {
	return &builder{
		data:    data{Columns: make(map[string][]json.RawMessage), Details: make(map[int]map[string]json.RawMessage)},
		strings: make(map[string]int), frames: make(map[[5]int]int), nodes: make(map[[2]int]int),
	}
}

// script returns the data as they stand in the page.
func (b *builder) script() (template.JS, error) {
	doc, err := json.Marshal(&b.data) // which escapes <, >, & and the line separators
	if err != nil || len(doc) < packedFrom {
		return template.JS(doc), err
	}
	return pack(doc), nil
}

// mostBlocks is how many single blocks of a stack a page lists.
const mostBlocks = 100

// add adds the i-th stack.
func (b *builder) add(i int, s *report.Stack) error {
	if s.GivenUpStacks > 0 {
		b.stack(s.Truncated, s.Frames, "[given up]")
	} else {
		b.stack(s.Truncated, s.Frames, "")
	}
	s.Frames, s.BlockList = nil, s.BlockList[:min(len(s.BlockList), mostBlocks)]
	s.Allocator = report.Escape(s.Allocator)
	return b.figures(i, s, judged(s))
}

// stack adds the frames of the next stack, and what is called behind the innermost one, if anything.
func (b *builder) stack(truncated bool, frames []report.Frame, last string) {
	leaf := -1
	if truncated {
		leaf = b.node(leaf, b.frame("[truncated]", "", "", 0, 0))
	}
	for k := len(frames) - 1; k >= 0; k-- {
		leaf = b.node(leaf, b.frameOf(&frames[k]))
	}
	if last == "" && len(frames) == 0 {
		last = "[unknown]"
	}
	if last != "" {
		leaf = b.node(leaf, b.frame(last, "", "", 0, 0))
	}
	b.Leaves = append(b.Leaves, leaf)
}

// figures adds the fields of the JSON form of the i-th stack, but for its frames, and more.
func (b *builder) figures(i int, s any, more map[string]any) error {
	doc, err := json.Marshal(s)
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(doc, &fields); err != nil {
		return err
	}
	delete(fields, "frames")
	for name, value := range more {
		if doc, err = json.Marshal(value); err != nil {
			return err
		}
		fields[name] = doc
	}
	for name, value := range fields {
		if value[0] != '{' && value[0] != '[' {
			b.put(i, name, value)
			continue
		}
		if bytes.Contains(value, []byte(`:"`)) {
			if value, err = escapeStrings(value); err != nil {
				return err
			}
		}
		if b.Details[i] == nil {
			b.Details[i] = make(map[string]json.RawMessage)
		}
		b.Details[i][name] = value
	}
	return nil
}

// judged is what a stack is taken for: a verdict, a severity of 2 for a leak and of 1 for what may be
// one, and how fast an estimate leaks.
func judged(s *report.Stack) map[string]any {
	columns := make(map[string]any)
	if text := s.Verdict(); text != "" {
		columns["verdict"] = report.Escape(text)
	}
	rate, certain, leaks := s.Leak()
	switch {
	case certain:
		columns["severity"] = 2
	case leaks:
		columns["severity"] = 1
	}
	if leaks && s.Estimate != nil {
		columns["leak"], columns["leak_low"], columns["leak_high"] = rate.Value, rate.Low, rate.High
	}
	return columns
}

// escapeStrings escapes the strings in a document as all names in the page are.
func escapeStrings(doc []byte) (json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	var all any
	if err := decoder.Decode(&all); err != nil {
		return nil, err
	}
	return json.Marshal(escaped(all))
}

func escaped(value any) any {
	switch v := value.(type) {
	case string:
		return report.Escape(v)
	case []any:
		for i := range v {
			v[i] = escaped(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = escaped(v[key])
		}
	}
	return value
}

// put puts a value into a column. Stacks that do not have it have a 0 there.
func (b *builder) put(i int, name string, value json.RawMessage) {
	column := b.Columns[name]
	for len(column) < i {
		column = append(column, json.RawMessage("0"))
	}
	b.Columns[name] = append(column, value)
}

func (b *builder) frameOf(f *report.Frame) int {
	flags := 0
	if f.Inline {
		flags |= 1
	}
	if f.Library {
		flags |= 2
	}
	name := f.Function
	switch {
	case name != "":
	case f.Module == "" && f.Address == 0:
		name = "[unknown]"
	default:
		name = f.Place()
	}
	return b.frame(name, f.Module, f.File, f.Line, flags)
}

func (b *builder) frame(function, module, file string, line, flags int) int {
	return index(&b.data.Frames, b.frames, [5]int{b.name(function), b.name(module), b.name(file), line, flags})
}

// Names of all stacks together may take mostNames bytes. Those that come later are cut to shortName
// bytes: the traced process chooses them, and what a page takes must not grow with them.
const (
	mostNames = 16 << 20
	shortName = 80
)

// name returns the index of a name, which most often is there already.
func (b *builder) name(s string) int {
	i, ok := b.strings[s]
	if ok {
		return i
	}
	if b.taken > mostNames && len(s) > shortName {
		s = s[:shortName] + "…"
		if i, ok = b.strings[s]; ok {
			return i
		}
	}
	i = len(b.Strings)
	b.Strings, b.strings[s] = append(b.Strings, report.Escape(s)), i
	b.taken += len(b.Strings[i])
	return i
}

func (b *builder) node(parent, frame int) int {
	key := [2]int{parent, frame}
	if i, ok := b.nodes[key]; ok {
		return i
	}
	b.nodes[key] = len(b.Nodes)
	b.Parents, b.Nodes = append(b.Parents, parent), append(b.Nodes, frame)
	return len(b.Nodes) - 1
}

// index returns where v is in a list, to which it is added if it is not there yet.
func index[T comparable](list *[]T, known map[T]int, v T) int {
	i, ok := known[v]
	if !ok {
		i = len(*list)
		*list, known[v] = append(*list, v), i
	}
	return i
}
