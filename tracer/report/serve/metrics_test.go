package serve

import (
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"memtrace/tracer/report"
)

// Prometheus reads the metrics, and names in them stay in their labels.
func TestMetrics(t *testing.T) {
	windows := leaking(2, 8)
	windows.Mode = report.ModeWindows
	windows.Sampling, windows.Overhead = &report.Sampling{Overhead: 0.02}, 0.02
	windows.Stacks[2].Estimate = &report.Estimate{Class: "leak", LeakBytesPerSecond: report.Bounds{Value: 4, Low: 3, High: 5.5}} // of 8 that the allocator takes
	windows.Diagnosis.Findings[0].BytesPerSecond = report.Bounds{Value: 8, Low: 6, High: 11}
	early, ended := leaking(3, 0), leaking(4, 8)
	early.Diagnosis.Findings[0], early.Overhead = report.Finding{Kind: report.TooShort}, 0.004
	ended.Target.Exited = true
	s := start(t, "127.0.0.1:0", "", fixed(leaking(1, 8), windows, early, ended))
	_, header, text := get(t, s, "/metrics", nil)
	if header.Get("Content-Type") != metricsType {
		t.Errorf("the type is %s", header.Get("Content-Type"))
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	// at is the value of a process, and of a stack; -1 if there is none.
	at := func(name, pid, stack string) float64 {
		for _, m := range families[name].GetMetric() {
			labels := make(map[string]string)
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			if want := report.Escape(hostile); labels["command"] != want || stack != "" && labels["function"] != want && labels["stack"] == stack {
				t.Errorf("%s is of %q", name, labels)
			}
			if labels["pid"] == pid && labels["stack"] == stack {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
		return -1
	}
	for _, tc := range []struct {
		name, pid, stack string
		want             float64
	}{
		{"memtrace_leak_bytes_per_second", "1", "", 8},
		{"memtrace_leak_low_bytes_per_second", "1", "", 8},
		{"memtrace_leak_low_bytes_per_second", "2", "", 6},
		{"memtrace_leak_high_bytes_per_second", "2", "", 11},
		{"memtrace_leak_bytes_per_second", "3", "", -1},
		{"memtrace_leak_bytes_per_second", "4", "", -1},
		{"memtrace_outstanding_bytes", "1", "", 1000},
		{"memtrace_outstanding_bytes", "2", "", -1},
		{"memtrace_overhead_ratio", "1", "", -1},
		{"memtrace_overhead_ratio", "2", "", 0.02},
		{"memtrace_overhead_ratio", "3", "", 0.004},
		{"memtrace_stack_leak_bytes_per_second", "1", "ab", 2},
		{"memtrace_stack_leak_bytes_per_second", "1", "cd", 8},
		{"memtrace_stack_leak_bytes_per_second", "1", "ef", -1},
		{"memtrace_stack_leak_bytes_per_second", "2", "cd", 8},
		{"memtrace_stack_leak_high_bytes_per_second", "2", "cd", 11},
		{"memtrace_info", "4", "", -1},
	} {
		if got := at(tc.name, tc.pid, tc.stack); got != tc.want {
			t.Errorf("%s of %s %s is %g, want %g", tc.name, tc.pid, tc.stack, got, tc.want)
		}
	}
	if strings.Contains(text, `memtrace_events_total{pid="2",command="`+labelEscapes.Replace(report.Escape(hostile))+`",kind="alloc"}`) {
		t.Error("allocations are counted in windows")
	}
	series := make(map[string]bool)
	for line := range strings.Lines(text) {
		if name := line[:strings.LastIndex(line, " ")]; line[0] != '#' && series[name] {
			t.Errorf("there are two %s", name)
		} else {
			series[name] = true
		}
	}
	// With one stack each it is that which leaks fastest.
	if _, _, text := get(t, s, "/metrics?pid=1&top=1", nil); strings.Contains(text, `stack="ab"`) || !strings.Contains(text, `stack="cd"`) || strings.Contains(text, `pid="2"`) {
		t.Errorf("one stack of process 1:\n%s", text)
	}
}

// A scrape names each stack once, and keeps no names.
func TestMetricsNameOnce(t *testing.T) {
	r := leaking(1, 8)
	frames, named := r.Stacks[0].Frames, 0
	for i := range r.Stacks {
		r.Stacks[i].Frames = nil
	}
	r.Name = func(s *report.Stack) {
		named++
		s.Frames, s.OwnFrame = frames, 1
	}
	var text strings.Builder
	if err := writeMetrics(&text, []*report.Report{r}, 0, false); err != nil || !strings.Contains(text.String(), labelEscapes.Replace(report.Escape(hostile))) {
		t.Fatalf("%v\n%s", err, &text)
	}
	if named != 2 || r.Stacks[0].Frames != nil {
		t.Errorf("2 leaking stacks were named %d times, frames %v", named, r.Stacks[0].Frames)
	}
}
