package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// dpkgLists has a file for each installed package of Debian and its like, with the paths of the
// package's files, one in a line (dpkg-query(1)).
const dpkgLists = "/var/lib/dpkg/info"

// searchBudget is how long a search for a package may take.
const searchBudget = 100 * time.Millisecond

// packages remembers the packages of files, "" for files of none.
type packages map[string]string

// debugOf returns how to name the package of the debug files for a file of process pid. It is nil
// if the process does not see the files that memtrace sees.
func (known packages) debugOf(pid int) func(path string) string {
	own, err := os.Stat("/")
	if err != nil {
		return nil
	}
	root, err := os.Stat(fmt.Sprintf("/proc/%d/root/", pid))
	if err != nil || !os.SameFile(own, root) {
		return nil
	}
	return func(path string) string {
		name, ok := known[path]
		if !ok {
			name = packageOf(dpkgLists, path, time.Now().Add(searchBudget))
			known[path] = name
		}
		if name == "" {
			return ""
		}
		return name + "-dbgsym"
	}
}

// packageOf returns the package that a file is of, by the lists in a folder; "" if there is none
// or it is not found in time.
func packageOf(lists, path string, deadline time.Time) string {
	wanted := [][]byte{[]byte("\n" + path + "\n")}
	// Where /lib is a link to /usr/lib, packages may have either name.
	if inner, ok := strings.CutPrefix(path, "/usr/"); ok {
		wanted = append(wanted, []byte("\n/"+inner+"\n"))
	}
	names, _ := filepath.Glob(filepath.Join(lists, "*.list"))
	for _, name := range names {
		if time.Now().After(deadline) {
			return ""
		}
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for _, line := range wanted {
			if bytes.Contains(text, line) {
				of, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(name), ".list"), ":")
				return of
			}
		}
	}
	return ""
}
