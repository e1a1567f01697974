package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"memtrace/tracer/record"
)

// momentSyntax is what findMoment takes.
const momentSyntax = "start, end, mark:NAME, 90s or 10m after the start, -30s before the end, 15:04:05, or a date with a time"

// clocks are the ways to give a time of day, dates those to give it with a date.
var (
	clocks = []string{"15:04:05", "15:04"}
	dates  = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04"}
)

// findMoment returns the snapshot of a record that is meant by a time, "" for the end: the last one
// until then, or with from the first one from then on. That of a mark was made right after it.
func findMoment(r *record.Reader, text string, from bool) (int, error) {
	start, end := r.Time(0), r.Time(r.Len()-1)
	at, err := time.Time{}, error(nil)
	if name, ok := strings.CutPrefix(text, "mark:"); ok {
		from = true
		at, err = findMark(r, name)
	} else if at, err = parseMoment(text, start, end); err != nil {
		err = usagef("%q is no time: give %s", text, momentSyntax)
	}
	if err != nil {
		return 0, err
	}
	const tolerance = time.Second // of times that were rounded
	if at.Before(start.Add(-tolerance)) || at.After(end.Add(tolerance)) {
		return 0, fmt.Errorf("the record has nothing of %s: it is from %s to %s", text, start.Format(time.DateTime), end.Format(time.DateTime+" MST"))
	}
	i := r.Before(at)
	if from && r.Time(i).Before(at) && i+1 < r.Len() {
		i++
	}
	return i, nil
}

// findMark returns the time of a mark.
func findMark(r *record.Reader, name string) (time.Time, error) {
	var names []string
	for _, m := range r.Marks() {
		if names = append(names, m.Name); m.Name == name {
			return m.Time, nil
		}
	}
	if len(names) == 0 {
		return time.Time{}, fmt.Errorf("the record has no mark %s: it has none at all", name)
	}
	const most = 10
	more := ""
	if n := len(names) - most; n > 0 {
		names, more = names[:most], fmt.Sprintf(", and %d more", n)
	}
	return time.Time{}, fmt.Errorf("the record has no mark %s: it has %s%s", name, strings.Join(names, ", "), more)
}

func parseMoment(text string, start, end time.Time) (time.Time, error) {
	switch text {
	case "start":
		return start, nil
	case "end", "":
		return end, nil
	}
	before, negative := strings.CutPrefix(text, "-")
	var d time.Duration
	if err := (*durationValue)(&d).Set(strings.TrimPrefix(before, "+")); err == nil {
		if negative {
			return end.Add(-d), nil
		}
		return start.Add(d), nil
	}
	for _, layout := range clocks {
		if clock, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return sameClock(clock, start.Local()), nil
		}
	}
	for _, layout := range dates {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("no time")
}

// sameClock returns the first moment from start on, but for a second, with a time of day.
func sameClock(clock, start time.Time) time.Time {
	at := time.Date(start.Year(), start.Month(), start.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, start.Location())
	if at.Before(start.Add(-time.Second)) {
		at = at.AddDate(0, 0, 1)
	}
	return at
}
