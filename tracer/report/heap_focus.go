package report

import "strings"

// HeapFocus is how blocks were seen where calls return, for what grows too rarely for windows.
type HeapFocus struct {
	// Places is how many there are in the code to which allocation functions return, as far as that is
	// certain, and Probed how many of them have a probe now.
	Places int `json:"places"`
	Probed int `json:"probed"`
	// These have none: OtherSizes return blocks of sizes that do not grow, TooOften are met too often,
	// Refused is what the kernel puts no probe on, and for NoRoom there were too many.
	OtherSizes int `json:"other_sizes"`
	TooOften   int `json:"too_often"`
	Refused    int `json:"refused"`
	NoRoom     int `json:"no_room"`
	// Calls is how many returns the probes have met, CallsTooOften those of them at places that were then
	// found to be met too often, and Lost how many blocks could not be told of.
	Calls         uint64 `json:"calls"`
	CallsTooOften uint64 `json:"calls_too_often"`
	Lost          uint64 `json:"lost"`
	// Uncertain is of how many functions the code is not certain. Unreadable are files that could not be
	// looked at, and Cut says that one has more code than is looked at.
	Uncertain  int      `json:"uncertain"`
	Unreadable []string `json:"unreadable,omitempty"`
	Cut        bool     `json:"cut,omitempty"`
	// Seconds is for how long there have been probes.
	Seconds float64 `json:"seconds"`
	// Unread says why no place is probed, or none any more.
	Unread string `json:"unread,omitempty"`
}

// Words says what was done, in plain text.
func (f *HeapFocus) Words() string {
	if f.Unread != "" {
		return "Where calls return no place is probed any more: " + escape(f.Unread)
	}
	if f.Places == 0 {
		text := "Where calls return no place is probed: none is certain in the code of the process"
		if len(f.Unreadable) > 0 {
			text += " (" + escape(f.Unreadable[0]) + ")"
		}
		return text
	}
	text := "For what windows do not meet, " + of(uint64(max(f.Probed, 0)), uint64(f.Places), "place") +
		" have a probe where malloc and the like return: met " + counted(f.Calls-min(f.CallsTooOften, f.Calls), "time") + " in " + Seconds(f.Seconds)
	var left []string
	for _, one := range []struct {
		n    int
		what string
	}{
		{f.OtherSizes, "of other sizes"},
		{f.TooOften, "met too often"},
		{f.Refused, "refused by the kernel"},
		{f.NoRoom, "for lack of room"},
	} {
		if one.n > 0 {
			left = append(left, Count(uint64(one.n))+" "+one.what)
		}
	}
	if len(left) > 0 {
		text += ". Left out: " + strings.Join(left, ", ")
	}
	if f.Lost > 0 {
		text += ". " + counted(f.Lost, "block") + " could not be told of"
	}
	left = left[:0]
	if f.Uncertain > 0 {
		left = append(left, counted(uint64(f.Uncertain), "function")+" of which the code is not certain")
	}
	if n := len(f.Unreadable); n > 0 {
		left = append(left, counted(uint64(n), "file")+" that could not be read")
	}
	if f.Cut {
		left = append(left, "the end of a very large file")
	}
	if len(left) > 0 {
		text += ". Not looked at: " + strings.Join(left, ", ")
	}
	return text
}

// seen says how the blocks of a source were seen, where windows are watched.
func (s *HeapSource) seen() string {
	switch {
	case s.Returned == 0:
		return "as windows saw"
	case s.Returned < s.Blocks:
		return "as windows saw, and where the calls returned"
	}
	return "seen where the calls returned"
}

// mostGiven is how many times as many blocks a stack may have been given as a group still has of it.
// Where most were freed, others may have been given their addresses, unseen.
const mostGiven = 4

// doubtful reports whether the blocks of a group need not be those that the stack was given.
func (s *HeapSource) doubtful() bool {
	return s.Returned > 0 && s.Returned == s.Blocks && s.Given > mostGiven*(s.Blocks+1)
}

// representable returns a copy in which every string fits into JSON.
func (f *HeapFocus) representable() *HeapFocus {
	if f == nil {
		return nil
	}
	c := *f
	c.Unread = bounded(c.Unread)
	c.Unreadable = nil
	for _, one := range f.Unreadable {
		c.Unreadable = append(c.Unreadable, bounded(one))
	}
	return &c
}
