package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"memtrace/tracer/report"
)

func (g *gate) add(fs *pflag.FlagSet) {
	fs.Var(&g.on, "fail-on", "exit with status 3 if the last report finds one of `KINDS`, such as leak,never_freed; see the manual")
	fs.Var(&g.over, "fail-over", "exit with status 3 if a process holds more than `BYTES` at the end, or by estimate has leaked more")
}

// kindsValue is a list of words of --fail-on.
type kindsValue []string

func (v *kindsValue) String() string { return strings.Join(*v, ",") }
func (v *kindsValue) Type() string   { return "KINDS" }

func (v *kindsValue) Set(list string) error {
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		if such(word) == nil {
			return fmt.Errorf("give %s, or a kind of finding: %s", strings.Join(words(), ", "), strings.Join(kindNames(), ", "))
		}
		*v = append(*v, word)
	}
	return nil
}

// limitValue is a size that must not be exceeded. It may be 0.
type limitValue struct {
	bytes sizeValue
	given bool
}

func (v *limitValue) String() string {
	if v.given && v.bytes == 0 {
		return "0"
	}
	return v.bytes.String()
}

func (v *limitValue) Type() string { return "BYTES" }

func (v *limitValue) Set(s string) error {
	v.given = true
	return v.bytes.Set(s)
}

// gateWords are what --fail-on takes beside the kinds of findings.
var gateWords = []struct {
	word string
	such func(*report.Finding) bool
}{
	{"leak", func(f *report.Finding) bool { return isLeak(f) && !unsure(f) }},
	{"possible", func(f *report.Finding) bool { return isLeak(f) && unsure(f) }},
	{"active", func(f *report.Finding) bool { return f.Kind == report.ActiveLeak }},
	{"cache", func(f *report.Finding) bool { return f.Kind == report.CacheFills || f.Kind == report.CacheReplaces }},
	{"any", func(f *report.Finding) bool { return f.Kind != report.Nothing && !undecided(f) }},
}

// isLeak reports whether a finding is stacks whose memory adds up, for good as far as seen.
func isLeak(f *report.Finding) bool {
	return f.Kind == report.Leak || f.Kind == report.ActiveLeak || f.Kind == report.UnjoinedThreads
}

func unsure(f *report.Finding) bool { return f.Confidence == "possible" }

// undecided reports whether a finding says why nothing was found.
func undecided(f *report.Finding) bool { return f.Kind == report.TooShort || f.Kind == report.Held }

func words() (list []string) {
	for _, w := range gateWords {
		list = append(list, w.word)
	}
	return list
}

// kindNames are the kinds of findings that are something found.
func kindNames() (list []string) {
	for _, kind := range report.FindingKinds {
		if kind != report.Nothing && kind != report.Leak {
			list = append(list, string(kind))
		}
	}
	return list
}

// such returns which findings a word of --fail-on stands for, nil if it is none.
func such(word string) func(*report.Finding) bool {
	for _, w := range gateWords {
		if w.word == word {
			return w.such
		}
	}
	if slices.Contains(kindNames(), word) {
		return func(f *report.Finding) bool { return string(f.Kind) == word }
	}
	return nil
}
