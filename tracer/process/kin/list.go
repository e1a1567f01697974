package kin

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxListed is how many descendants are looked at, at most.
const maxListed = 4096

// lister finds the descendants of processes.
type lister struct {
	procFiles
	// children: the kernel has files that list the children of each thread
	// (CONFIG_PROC_CHILDREN).
	children bool
	found    []int
	have     map[int]bool
	// parents is used by scan: the processes of the machine by their parents.
	parents map[int][]int
}

func newLister() *lister {
	_, err := os.Stat("/proc/thread-self/children")
	return &lister{children: err == nil, have: make(map[int]bool)}
}

// descendants returns the pids of a process's children, their children, and so on, but not
// memtrace's own. Children of threads that fork or end at this moment may be missing. threads
// is how many threads the process and its descendants had. More than maxListed are cut off,
// the youngest generation first. The list is valid until the next call.
func (l *lister) descendants(pid, threads int) []int {
	l.found = l.found[:0]
	clear(l.have)
	l.have[pid], l.have[os.Getpid()] = true, true
	childrenOf := l.listed
	if !l.children || threads > processes() {
		l.scan()
		childrenOf = l.scanned
	}
	childrenOf(pid)
	for i := 0; i < len(l.found) && len(l.found) < maxListed; i++ {
		childrenOf(l.found[i])
	}
	return l.found
}

func (l *lister) add(pid int) {
	if !l.have[pid] && len(l.found) < maxListed {
		l.have[pid] = true
		l.found = append(l.found, pid)
	}
}

// listed adds the children of a process by the files of its threads.
func (l *lister) listed(pid int) {
	task := "/task/"
	_ = numbers("/proc/"+strconv.Itoa(pid)+task, func(tid int) { // it may have ended
		text, err := l.read(pid, task+strconv.Itoa(tid)+"/children")
		if err != nil {
			return
		}
		for word := range bytes.FieldsSeq(text) {
			if child, err := strconv.Atoi(string(word)); err == nil {
				l.add(child)
			}
		}
	})
}

// scan looks at all processes. Where there are many threads, that costs less than to look at
// each of them.
func (l *lister) scan() {
	l.parents = make(map[int][]int)
	_ = numbers("/proc", func(pid int) {
		if s, ok := l.stat(pid); ok {
			l.parents[s.parent] = append(l.parents[s.parent], pid)
		}
	})
}

// scanned adds the children of a process that scan has found.
func (l *lister) scanned(pid int) {
	for _, child := range l.parents[pid] {
		l.add(child)
	}
}

// processes returns about how many processes there are: /proc has a link for each
// (proc_root_getattr in fs/proc/root.c).
func processes() int {
	var st unix.Stat_t
	if unix.Stat("/proc", &st) != nil {
		return 0
	}
	return int(st.Nlink)
}
