package ptmalloc

import (
	"sync"

	"memtrace/symbolize/patience"
	"memtrace/tracer/process/target"
)

// mostRecent is how many files' layouts are remembered. Programs share their libraries, and to
// find malloc's variables takes some milliseconds.
const mostRecent = 16

var recent struct {
	mu    sync.Mutex
	files map[patience.Info]*Layout
}

// layoutIn is Locate for a file that may have been looked at before.
func layoutIn(file *target.Image) (*Layout, error) {
	recent.mu.Lock()
	known := recent.files[file.Info()]
	recent.mu.Unlock()
	if known != nil {
		l := *known
		return &l, nil
	}
	l, err := Locate(file, file.Size, DebugFolder)
	if err != nil || file.Info().Inode == 0 {
		return l, err
	}
	keep := *l
	recent.mu.Lock()
	defer recent.mu.Unlock()
	if recent.files == nil || len(recent.files) >= mostRecent {
		recent.files = make(map[patience.Info]*Layout)
	}
	recent.files[file.Info()] = &keep
	return l, nil
}
