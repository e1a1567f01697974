package target

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"

	"github.com/prometheus/procfs"
)

// A probe is registered for a place in a file, and is a breakpoint in the memory of each
// process that maps it, if the kernel could put one there and until somebody removes it. So
// only the memory tells whether a probe is in place.

// Place is where a process's memory has an instruction to probe.
type Place struct {
	Probe  *Probe
	Object *Object
	Addr   uint64
	// Barred is why the kernel puts no probe there, "" if it does. Addr is 0 if the object is
	// mapped, but this part of it is not.
	Barred string

	// trampolines are the kernel's own mappings, which a probe may be a call into.
	trampolines []*procfs.ProcMap
}

// trampoline is what /proc/PID/maps calls the mapping that optimized probes call, since Linux
// 6.18.
const trampoline = "[uprobes-trampoline]"

// Places lists where the process has mapped, executable, what to probe in the objects.
func (t *Target) Places(objects ...*Object) ([]Place, error) {
	maps, err := readMaps(t.PID)
	if err != nil {
		return nil, err
	}
	var trampolines []*procfs.ProcMap
	for _, m := range maps {
		if m.Pathname == trampoline {
			trampolines = append(trampolines, m)
		}
	}
	var places []Place
	for _, o := range objects {
		own := slices.DeleteFunc(slices.Clone(maps), func(m *procfs.ProcMap) bool {
			return !m.Perms.Execute || m.Inode == 0 || o.ID != (FileID{m.Dev, m.Inode})
		})
		if len(own) == 0 {
			continue
		}
		for i := range o.Probes {
			places = append(places, o.placesOf(&o.Probes[i], own, trampolines)...)
		}
	}
	return places, nil
}

// placesOf is Places for one probe, given the object's executable mappings.
func (o *Object) placesOf(probe *Probe, own, trampolines []*procfs.ProcMap) (places []Place) {
	for _, m := range own {
		start, size := uint64(m.Offset), uint64(m.EndAddr-m.StartAddr)
		if probe.Offset < start || probe.Offset-start >= size {
			continue
		}
		places = append(places, Place{
			Probe: probe, Object: o, Addr: uint64(m.StartAddr) + probe.Offset - start,
			Barred: barred(m), trampolines: trampolines,
		})
	}
	if len(places) == 0 {
		places = []Place{{Probe: probe, Object: o, Barred: "is not mapped from the file any more"}}
	}
	return places
}

// barred returns why the kernel puts no probes into a mapping (valid_vma of
// kernel/events/uprobes.c).
func barred(m *procfs.ProcMap) string {
	switch {
	case m.Perms.Write:
		return "is mapped writable, and the kernel puts no probes into such code"
	case m.Perms.Shared:
		return "is mapped shared, and the kernel puts no probes into such code"
	}
	return ""
}

// breakpoints are the instructions that probes are, by GOARCH (UPROBE_SWBP_INSN).
var breakpoints = map[string][]byte{
	"amd64": {0xcc},
	"arm64": {0xa0, 0x00, 0x20, 0xd4},
}

// Width is how many bytes of a place's memory tell whether a probe is there.
func (p *Place) Width() int {
	if p.nop() {
		return len(nop)
	}
	return len(breakpoints[runtime.GOARCH])
}

// nop is the instruction that a probe may replace with a call.
var nop = []byte{0x0f, 0x1f, 0x44, 0, 0}

// nop reports whether the file has that instruction at the place.
func (p *Place) nop() bool {
	const page = 4096
	code := p.Probe.code
	return runtime.GOARCH == "amd64" && uint64(len(code)) > p.Probe.Inside && bytes.HasPrefix([]byte(code[p.Probe.Inside:]), nop) &&
		p.Addr%page <= page-uint64(len(nop))
}

// Probed reports whether the code at the place is a probe, or a debugger's breakpoint, which
// is the same instruction on x86-64.
func (p *Place) Probed(code []byte) bool {
	if bytes.HasPrefix(code, breakpoints[runtime.GOARCH]) {
		return true
	}
	const call = 0xe8
	if !p.nop() || len(code) < len(nop) || code[0] != call {
		return false
	}
	to := p.Addr + uint64(len(nop)) + uint64(int64(int32(binary.LittleEndian.Uint32(code[1:]))))
	return slices.ContainsFunc(p.trampolines, func(m *procfs.ProcMap) bool {
		return to >= uint64(m.StartAddr) && to < uint64(m.EndAddr)
	})
}

// Program returns the process's program, whose only probe is the place where it begins.
func (t *Target) Program() *Object { return t.program }
