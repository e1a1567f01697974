package probe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"

	"memtrace/bpf"
)

// These are the sizes of maps that take no memory until they fill, where the kernel has such
// maps. Elsewhere the sizes in bpf/state.h and bpf/thread.h stand.
const (
	maxThreads = 1 << 17
	maxSpills  = 1 << 20
	maxReturns = 1 << 13
)

// maxFollowed is how many processes can be traced at a time where children are followed.
const maxFollowed = 1 << 14

// wakeMask makes one record in 64 check whether the reader must be woken, if 64 records are
// little compared to the ring's size in bytes. Otherwise every record checks.
func wakeMask(ringSize int) uint64 {
	if ringSize < 1<<20 {
		return 0
	}
	return 63
}

// Load loads the programs and maps into the kernel. Whatever the Set attaches later is noted
// in attached.
func Load(k Features, o Options, attached *Attached) (*Set, error) {
	if err := k.allowLockedMemory(); err != nil {
		return nil, err
	}
	spec, err := bpf.LoadMemtrace()
	if err != nil {
		return nil, fmt.Errorf("read the BPF object: %w", err)
	}
	sizeMaps(spec, k, &o)
	for name, value := range map[string]any{
		"stack_depth": uint32(o.StackDepth),
		"min_size":    o.MinSize,
		"max_size":    o.MaxSize,
		"wake_bytes":  uint64(o.RingSize / 4),
		"wake_mask":   wakeMask(o.RingSize),
		"growth":      o.GrowthOnly,
		"follow":      o.Follow,
		"sessions":    k.sessions,
	} {
		if err := spec.Variables[name].Set(value); err != nil {
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
	}
	if k.uprobeMulti {
		for _, p := range spec.Programs {
			if p.Type == ebpf.Kprobe && p.AttachType != attachSession {
				p.AttachType = ebpf.AttachTraceUprobeMulti
			}
		}
	}
	chooseStacks(spec, k)
	s := &Set{
		Features: k, options: o, attached: attached,
		tableSpec: spec.Maps["unwind_tables"].InnerMap, listSpec: spec.Maps["mappings"].InnerMap,
	}
	if !o.GrowthOnly {
		s.entries = newEntries(spec, k.sessions)
	}
	if err := s.objs.load(spec, s.entries, k); err != nil {
		_ = s.entries.Close() // the first error is returned
		return nil, explainLoad(err, o.Logf)
	}
	return s, nil
}

// sizeMaps says how large maps are, and which take their memory only as it is needed.
func sizeMaps(spec *ebpf.CollectionSpec, k Features, o *Options) {
	spec.Maps["events"].MaxEntries = uint32(o.RingSize)
	if k.cheapHash {
		for name, entries := range map[string]uint32{"threads": maxThreads, "spills": maxSpills, "focus_sites": maxReturns} {
			spec.Maps[name].MaxEntries = entries
			spec.Maps[name].Flags |= noPrealloc
		}
	}
	if k.resume != "" {
		spec.Maps["resumes"].MaxEntries = maxThreads
		spec.Maps["resumes"].Flags |= noPrealloc
	}
	if o.Follow {
		for _, name := range []string{"targets", "mappings", "fresh_code"} {
			spec.Maps[name].MaxEntries = maxFollowed
		}
		if k.cheapHash {
			spec.Maps["fresh_code"].Flags |= noPrealloc
		}
	}
	if o.Spills > 0 {
		spec.Maps["spills"].MaxEntries = o.Spills
	}
}

// chooseStacks keeps only those programs that walk stacks the way this kernel can.
func chooseStacks(spec *ebpf.CollectionSpec, k Features) {
	for _, name := range []string{"leave_alloc", "call_alloc", "enter_free", "exit_syscall", focusProgram} {
		if !k.UnwindTables {
			spec.Programs[name] = spec.Programs[name+"_fp"]
		}
		delete(spec.Programs, name+"_fp")
	}
	if !k.UnwindTables {
		for _, name := range []string{"unwind_tables", "mappings"} {
			spec.Maps[name].InnerMap.Flags &^= innerMapFlag // unknown before 5.10
		}
	}
}

const noPrealloc = 1 // BPF_F_NO_PREALLOC

// explainLoad names the kernel feature that is missing, if one is. The verifier's lines go to
// logf.
func explainLoad(err error, logf func(format string, args ...any)) error {
	if errors.Is(err, unix.EMFILE) {
		// Without descriptors no feature can be tried.
		return fmt.Errorf("load the BPF programs: %w", err)
	}
	if e := features.HaveMapType(ebpf.RingBuf); errors.Is(e, ebpf.ErrNotSupported) {
		return &RequirementError{Needs: "BPF ring buffers", Remedy: "use Linux 5.8 or later", err: e}
	}
	if e := features.HaveProgramType(ebpf.Tracing); errors.Is(e, ebpf.ErrNotSupported) {
		return &RequirementError{Needs: "BPF tracing programs", Remedy: "use a kernel with CONFIG_BPF_EVENTS", err: e}
	}
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		for _, line := range verifier.Log {
			logf("verifier: %s", line)
		}
	}
	return fmt.Errorf("load the BPF programs: %w", err)
}
