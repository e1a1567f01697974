package live

import (
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"time"

	"memtrace/tracer/report"
)

// looksKept is how many looks a sparkline can go back.
const looksKept = 60

// series is one figure at the last looks, unknown (NaN) at those that did not show it.
type series struct {
	values []float64
	// times are when that was, in seconds since the trace began; NaN as values.
	times []float64
	look  int // of the last value
	// estimated: the figure is an estimate.
	estimated bool
	// marked is the figure of a region at the mark, NaN where that is unknown.
	marked float64
}

// add adds the figure of a look at a time. A figure of another kind makes the earlier ones void.
func (s *series) add(look int, at, value float64, estimated bool) {
	if estimated != s.estimated {
		s.values, s.times, s.estimated = nil, nil, estimated
	}
	if missed := look - s.look - 1; missed >= looksKept {
		s.values, s.times = nil, nil
	} else if s.values != nil {
		for range missed {
			s.values, s.times = append(s.values, math.NaN()), append(s.times, math.NaN())
		}
	}
	s.values, s.times, s.look = append(s.values, value), append(s.times, at), look
	if more := len(s.values) - looksKept; more > 0 {
		s.values, s.times = slices.Delete(s.values, 0, more), slices.Delete(s.times, 0, more)
	}
}

// last is the figure of the last look that had it.
func (s *series) last() float64 {
	if s == nil || len(s.values) == 0 {
		return math.NaN()
	}
	return s.values[len(s.values)-1]
}

// sinceMark is how much the figure has grown since the mark, NaN where that is unknown.
func (s *series) sinceMark() float64 {
	if s == nil {
		return math.NaN()
	}
	return s.last() - s.marked
}

var bars = []rune("▁▂▃▄▅▆▇█")

// spark draws the figures of the last looks, one for each column, in bars that are the same time
// apart. The lowest bar is the smallest figure, unless all are nearly the same.
func (s *series) spark(width int) string {
	if s == nil || width <= 0 {
		return ""
	}
	values := s.evenly(width)
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	const nearly = 0.02
	room := max(high-low, nearly*math.Abs(high))
	drawn := make([]rune, 0, width)
	for _, v := range values {
		bar := ' '
		switch {
		case math.IsNaN(v):
		case room > 0:
			bar = bars[min(int((v-low)/room*float64(len(bars))), len(bars)-1)]
		default:
			bar = bars[0]
		}
		drawn = append(drawn, bar)
	}
	return string(drawn)
}

// evenly returns the figures of at most so many last looks at times that are the same time apart:
// looks are not. Between two looks a figure is between theirs. Where a look did not show it, it is
// NaN.
func (s *series) evenly(most int) []float64 {
	first := max(0, len(s.values)-most)
	for first < len(s.values) && math.IsNaN(s.values[first]) {
		first++
	}
	values, times := s.values[first:], s.times[first:]
	n := len(values)
	if n < 2 || times[n-1] <= times[0] {
		return values
	}
	even := make([]float64, n)
	before := 0
	for i := range even {
		at := times[0] + (times[n-1]-times[0])*float64(i)/float64(n-1)
		for before+1 < n && !(times[before+1] > at) {
			before++ // also over looks that did not show it
		}
		known := before
		for math.IsNaN(times[known]) {
			known--
		}
		switch {
		case before+1 == n || times[known] == at:
			even[i] = values[known]
		case known < before:
			even[i] = math.NaN()
		default:
			part := (at - times[known]) / (times[before+1] - times[known])
			even[i] = values[known] + part*(values[before+1]-values[known])
		}
	}
	return even
}

// history is what the looks at one process have shown.
type history struct {
	looks int
	// rows are the series of the stacks of the last report.
	rows []*series
	// stacks are found by what their frames look like, and by their IDs: which of several alike
	// stacks a report names may change, and some have no frames at some looks.
	stacks   map[string]*series
	regions  map[string]*series
	resident series
	// marked is when the mark was set, zero without one.
	marked time.Time
}

func newHistory() *history {
	return &history{stacks: make(map[string]*series), regions: make(map[string]*series)}
}

var seed = maphash.MakeSeed()

// framesKey is the key of a stack by its frames, "" if it has none.
func framesKey(s *report.Stack) string {
	if len(s.Frames) == 0 {
		return ""
	}
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteString(string(s.Kind) + "\x00" + s.Allocator)
	switch {
	case s.Estimate != nil:
		h.WriteString("\x00estimate")
	case s.Inherited:
		h.WriteString("\x00inherited")
	case len(s.Grown) > 0:
		h.WriteString("\x00" + s.Grown[0].Class)
	}
	for i := range s.Frames {
		f := &s.Frames[i]
		h.WriteString("\x00" + f.Function + "\x00" + f.Module + "\x00" + f.File + strconv.Itoa(f.Line))
		if f.Function == "" {
			h.WriteString(strconv.FormatUint(f.Offset, 16))
		}
	}
	return strconv.FormatUint(h.Sum64(), 16)
}

// of returns the series of a stack at a look that has not added to it, a new one if need be.
func (h *history) of(s *report.Stack) *series {
	keys := []string{framesKey(s), s.ID}
	var known *series
	for _, key := range keys {
		if found := h.stacks[key]; key != "" && found != nil && found.look != h.looks {
			known = found
			break
		}
	}
	if known == nil {
		known = &series{}
	}
	for _, key := range keys {
		if found := h.stacks[key]; key != "" && (found == nil || found.look != h.looks) {
			h.stacks[key] = known
		}
	}
	return known
}

// add notes what a report shows.
func (h *history) add(r *report.Report) {
	h.looks++
	h.rows = make([]*series, len(r.Stacks))
	for i := range r.Stacks {
		s := &r.Stacks[i]
		h.rows[i] = h.of(s)
		if s.Estimate != nil {
			h.rows[i].add(h.looks, r.DurationSeconds, s.EstimatedRate().Value, true)
		} else {
			h.rows[i].add(h.looks, r.DurationSeconds, float64(s.Bytes), false)
		}
	}
	if m := r.Memory; m != nil && m.ResidentKnown {
		h.resident.add(h.looks, r.DurationSeconds, float64(m.ResidentBytes), false)
		for i := range m.Regions {
			class := &m.Regions[i]
			known := h.regions[class.Class]
			if known == nil {
				known = &series{marked: math.NaN()}
				h.regions[class.Class] = known
			}
			known.add(h.looks, r.DurationSeconds, float64(class.ResidentBytes), false)
		}
	}
	for key, s := range h.stacks {
		if h.looks-s.look > looksKept {
			delete(h.stacks, key)
		}
	}
}

// mark makes what regions have at the last look that which growth is counted from. What of a stack is
// from since the mark its report says.
func (h *history) mark(r *report.Report) {
	h.marked = r.End
	set := func(s *series) {
		s.marked = math.NaN()
		if s.look == h.looks {
			s.marked = s.last()
		}
	}
	for _, s := range h.regions {
		set(s)
	}
	set(&h.resident)
}

// unmark forgets the mark.
func (h *history) unmark() { h.marked = time.Time{} }
