package ptmalloc

import (
	"memtrace/symbolize/patience"
	"memtrace/tracer/process/target"
)

// recent are the layouts in the files that were looked at last. Programs share their libraries, and
// to find malloc's variables takes some milliseconds.
var recent = patience.NewRecent[Layout](16)

// layoutIn is Locate for a file that may have been looked at before.
func layoutIn(file *target.Image) (*Layout, error) {
	if l, ok := recent.Get(file.Info()); ok {
		return &l, nil
	}
	l, err := Locate(file, file.Size, DebugFolder)
	if err == nil {
		recent.Put(file.Info(), *l)
	}
	return l, err
}
