package target

import (
	"slices"
	"sync"

	"memtrace/symbolize/patience"
)

// Processes that come and go by the dozen map the same files, and what is found in a C library
// takes some 10 ms to find. So the last files are remembered, by everything that the file system
// says of them. What is remembered of a file that was changed behind its times is noticed: a
// probe is only put where the process's memory has the code that was found in the file.

// mostRecent is how many files are remembered.
const mostRecent = 128

// recent is what was found in files: nil in those that define no allocation functions.
var recent struct {
	mu    sync.Mutex
	files map[patience.Info]*Object
}

// objectIn is readNamed for a file that may have been read before.
func objectIn(file *patience.File, n *Named) (*Object, error) {
	if n != nil {
		return readNamed(file, n)
	}
	recent.mu.Lock()
	known, ok := recent.files[file.Info]
	recent.mu.Unlock()
	if ok && known == nil {
		return nil, nil
	}
	if ok {
		o := *known
		o.Probes, o.Unseen, o.file = slices.Clone(known.Probes), slices.Clone(known.Unseen), file
		return &o, nil
	}
	o, err := readObject(file)
	if err != nil || file.Inode == 0 {
		return o, err
	}
	var keep *Object
	if o != nil {
		keep = &Object{Family: o.Family, Families: o.Families, Probes: slices.Clone(o.Probes), Unseen: slices.Clone(o.Unseen)}
	}
	recent.mu.Lock()
	defer recent.mu.Unlock()
	if recent.files == nil || len(recent.files) >= mostRecent {
		recent.files = make(map[patience.Info]*Object)
	}
	recent.files[file.Info] = keep
	return o, nil
}
