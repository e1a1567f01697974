package main

import "memtrace/tracer/diagnose/suppress"

// suppressions are those of --suppressions. As a flag they are names of files.
type suppressions struct {
	files []string
	// list is what the files say, nil if there are none.
	list *suppress.List
}

func (s *suppressions) String() string { return "" }
func (s *suppressions) Type() string   { return "FILE" }

func (s *suppressions) Set(file string) error {
	s.files = append(s.files, file)
	return nil
}

// read reads the files. Their errors are those of a command line.
func (s *suppressions) read() (err error) {
	if len(s.files) == 0 {
		return nil
	}
	if s.list, err = suppress.Open(s.files); err != nil {
		return usagef("--suppressions: %w", err)
	}
	return nil
}
