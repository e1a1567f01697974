package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// pidsValue is the processes of -p: ids, separated by commas or by spaces as pidof prints
// them, or the name of a program, as pgrep -x takes it. The flag may be repeated.
type pidsValue []int

func (v *pidsValue) String() string {
	var texts []string
	for _, pid := range *v {
		texts = append(texts, strconv.Itoa(pid))
	}
	return strings.Join(texts, ",")
}

func (v *pidsValue) Type() string { return "PID|NAME" }

func (v *pidsValue) Set(s string) error {
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(words) == 0 {
		return fmt.Errorf("it is empty: a variable is not set, or pidof or pgrep found no process")
	}
	for _, word := range words {
		pid, err := strconv.Atoi(word)
		if err == nil {
			if pid < 1 {
				return fmt.Errorf("%d: a process id is 1 or more", pid)
			}
			v.add(pid)
			continue
		}
		found := processesNamed(word)
		if len(found) == 0 {
			return fmt.Errorf("no process is called %q", word)
		}
		v.add(found...)
	}
	return nil
}

// add adds processes that are not there yet.
func (v *pidsValue) add(pids ...int) {
	for _, pid := range pids {
		if !slices.Contains(*v, pid) {
			*v = append(*v, pid)
		}
	}
}

// processesNamed returns the processes of a program, but for memtrace itself. The name is that
// of the process, or, since the kernel cuts that to 15 bytes, that of its executable.
func processesNamed(name string) (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", entry.Name())
		exe, err := os.Readlink(filepath.Join(dir, "exe"))
		if err != nil {
			continue // a kernel thread, or one that is not ours to look at
		}
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err == nil && strings.TrimSuffix(string(comm), "\n") == name || filepath.Base(exe) == name {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// isProcess reports whether a word is the id of a process that runs a program.
func isProcess(word string) bool {
	pid, err := strconv.Atoi(word)
	if err != nil || pid < 1 {
		return false
	}
	_, err = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil
}
