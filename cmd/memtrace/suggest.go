package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// nearest returns the candidate that a misspelt word is most like, "" if it is like none: with
// one letter of three or more of it wrong, missing, doubled or swapped.
func nearest(word string, candidates []string) string {
	best, least := "", len(word)/3+1
	for _, c := range candidates {
		if d := distance(word, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is how many letters must be inserted, removed, replaced or swapped with the next
// one to make one word of another (the optimal string alignment distance).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// parse parses args. help becomes true if help is asked for in a way that pflag knows by itself.
func parse(fs *pflag.FlagSet, args []string, help *bool) error {
	err := fs.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		*help = true
		return nil
	case err != nil:
		return explainFlag(fs, err)
	}
	return nil
}

// explainFlag makes a usage error of what Parse returned, with the flag that may be meant.
func explainFlag(fs *pflag.FlagSet, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return usageError{err}
	}
	var names []string
	fs.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	name := unknown.GetSpecifiedName()
	if meant := nearest(name, names); meant != "" {
		return usagef("unknown flag --%s: did you mean --%s?", name, meant)
	}
	return usageError{err}
}

// explainPositional says what may be meant by an argument that is not an interval; "" if that
// cannot be told.
func explainPositional(word string, hasPID bool) string {
	if isProcess(word) {
		if hasPID {
			return fmt.Sprintf("%s is a process: give several as -p \"PID PID\" or -p PID,PID", word)
		}
		return fmt.Sprintf("%s is a process: did you mean -p %s?", word, word)
	}
	if meant := nearest(word, commandNames()); meant != "" {
		return fmt.Sprintf("%q is not a command: did you mean memtrace %s?", word, meant)
	}
	if strings.HasPrefix(word, "/") {
		return fmt.Sprintf("put a command after --: memtrace -- %s", word)
	}
	return ""
}

// commandNames are those of all subcommands.
func commandNames() (names []string) {
	for _, c := range subcommands() {
		names = append(names, c.name)
	}
	return names
}
