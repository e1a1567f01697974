package target

import (
	"slices"

	"memtrace/symbolize/patience"
)

// Processes that come and go by the dozen map the same files, and what is found in a C library
// takes some 10 ms to find. So the last files are remembered. What is remembered of a file that was
// changed behind its times is noticed: a probe is only put where the process's memory has the code
// that was found in the file.

// recent is what was found in files: nil in those that define no allocation functions, which are
// most.
var recent = patience.NewRecent[*Object](4096)

// objectIn is readNamed for a file that may have been read before.
func objectIn(file *patience.File, n *Named) (*Object, error) {
	if n != nil {
		return readNamed(file, n)
	}
	if known, ok := recent.Get(file.Info); ok {
		if known == nil {
			return nil, nil
		}
		o := *known
		o.Probes, o.Unseen, o.file = slices.Clone(known.Probes), slices.Clone(known.Unseen), file
		return &o, nil
	}
	o, err := readNamed(file, nil)
	if err != nil {
		return o, err
	}
	var keep *Object
	if o != nil {
		keep = &Object{Family: o.Family, Families: o.Families, Probes: slices.Clone(o.Probes), Unseen: slices.Clone(o.Unseen)}
	}
	recent.Put(file.Info, keep)
	return o, nil
}
