package tracer

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms are the packages and what each may import: packages of this module, and of other
// modules those that reach into the kernel. Lower ones know nothing of higher ones.
const rooms = `
cmd/memtrace:                  cmd/memtrace/live tracer tracer/diagnose tracer/diagnose/suppress tracer/event tracer/inspect tracer/inspect/join tracer/launch tracer/process/cgroup tracer/process/kin tracer/changes tracer/process/target tracer/record tracer/region tracer/region/proc tracer/report tracer/report/html tracer/report/serve tracer/sysmem
cmd/memtrace/live:             tracer/report

tracer:                        symbolize/patience tracer/book tracer/diagnose tracer/diagnose/ended tracer/diagnose/suppress tracer/event tracer/focus tracer/probe tracer/process tracer/process/target tracer/report tracer/book/sample tracer/stream tracer/sysmem tracer/window

tracer/diagnose:               symbolize symbolize/patience tracer/book tracer/diagnose/answer tracer/diagnose/suppress tracer/event tracer/book/faults tracer/book/live tracer/process/kin tracer/process/ptmalloc tracer/region tracer/report tracer/book/sample tracer/process/target tracer/process/limits tracer/trend
tracer/diagnose/answer:        tracer/report
tracer/book:                   tracer/event tracer/book/code tracer/book/faults tracer/book/heap tracer/book/live tracer/book/returned tracer/book/sample tracer/book/stacks tracer/book/vm tracer/trend
tracer/diagnose/ended:         tracer/report
tracer/diagnose/suppress:      tracer/report
tracer/process:                symbolize symbolize/patience symbolize/procmaps symbolize/unwind tracer/event tracer/book/faults tracer/book/heap tracer/process/threads tracer/probe tracer/process/kin tracer/process/procmem tracer/process/procstatus tracer/process/ptmalloc tracer/region tracer/region/proc tracer/book/sample tracer/process/target tracer/book/vm tracer/process/limits
tracer/window:                 symbolize/patience tracer/probe
tracer/stream:                 bpf tracer/event tracer/probe ebpf ebpf/ringbuf
tracer/probe:                  bpf symbolize/elffile symbolize/procmaps symbolize/unwind tracer/event tracer/process/target ebpf ebpf/asm ebpf/btf ebpf/features ebpf/link tracer/process/refusal
tracer/process/target:         symbolize/elffile symbolize/patience symbolize/procmaps procfs tracer/process/refusal
tracer/process/cgroup:         symbolize/procmaps
tracer/process/limits:         tracer/process/cgroup
tracer/process/ptmalloc:       symbolize/elffile symbolize/patience symbolize/procmaps tracer/process/procmem tracer/process/target
tracer/inspect/census:         symbolize/procmaps tracer/process/procmem tracer/process/ptmalloc tracer/process/target
tracer/launch:                 symbolize/elffile tracer/process/procstatus
tracer/region:                 symbolize/procmaps tracer/report tracer/trend
tracer/region/proc:            symbolize/procmaps tracer/process/procmem tracer/process/procstatus tracer/process/refusal tracer/region
tracer/sysmem:                 symbolize/procmaps tracer/report procfs
tracer/inspect:                tracer/diagnose/suppress tracer/inspect/census tracer/inspect/cohort tracer/inspect/datasym tracer/inspect/freeze tracer/inspect/graph tracer/inspect/kinds tracer/process/ptmalloc tracer/process/refusal tracer/region tracer/region/proc tracer/report
tracer/inspect/cohort:         tracer/inspect/census
tracer/inspect/join:           tracer/book tracer/event tracer/inspect tracer/inspect/cohort tracer/report
tracer/focus:                  symbolize/callsites symbolize/elffile symbolize/patience tracer/book tracer/probe tracer/process tracer/process/procmem tracer/process/target tracer/report
tracer/process/procmem:
tracer/process/threads:
tracer/process/kin:            tracer/process/procstatus tracer/trend
tracer/process/refusal:        tracer/process/procstatus
tracer/process/procstatus:
tracer/changes:                tracer/diagnose/answer tracer/report
tracer/record:                 tracer/report
tracer/report:
tracer/report/html:            tracer/report
tracer/report/serve:           tracer/report

tracer/inspect/graph:          symbolize symbolize/procmaps tracer/inspect/census tracer/inspect/datasym tracer/inspect/freeze tracer/inspect/kinds tracer/process/procmem
tracer/inspect/freeze:         symbolize/procmaps tracer/process/procmem tracer/process/procstatus
tracer/inspect/kinds:          tracer/inspect/datasym
tracer/inspect/datasym:        symbolize/elffile symbolize/procmaps tracer/process/target

tracer/book/heap:              tracer/event tracer/book/live tracer/trend
tracer/book/vm:                tracer/event tracer/book/live tracer/trend
tracer/book/sample:            tracer/event tracer/book/live
tracer/book/faults:            tracer/event
tracer/book/stacks:            tracer/event
tracer/book/code:              tracer/event
tracer/book/live:              tracer/event tracer/trend
tracer/book/returned:          tracer/event
tracer/event:
tracer/trend:

symbolize:                     symbolize/elffile symbolize/gotable symbolize/internal/interval symbolize/internal/plt symbolize/internal/srcinfo symbolize/internal/x86 symbolize/patience symbolize/procmaps
symbolize/callsites:           symbolize/elffile symbolize/internal/plt symbolize/internal/x86 symbolize/unwind
symbolize/internal/plt:        symbolize/elffile
symbolize/internal/srcinfo:    symbolize/elffile symbolize/internal/interval
symbolize/internal/interval:
symbolize/unwind:              symbolize/elffile symbolize/gotable symbolize/internal/flow
symbolize/gotable:             symbolize/elffile
symbolize/internal/flow:       symbolize/internal/x86
symbolize/internal/x86:
symbolize/elffile:
symbolize/patience:
symbolize/procmaps:

bpf:                           ebpf
`

// testSupport is the home of what only tests use. It may import anything.
const testSupport = "tracer/testsupport"

func TestRooms(t *testing.T) {
	const module = "memtrace/"
	short := map[string]string{"github.com/cilium/ebpf": "ebpf", "github.com/prometheus/procfs": "procfs"}
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	allowed := make(map[string][]string)
	for line := range strings.Lines(rooms) {
		if room, imports, ok := strings.Cut(line, ":"); ok {
			allowed[room] = strings.Fields(imports)
		}
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		room := strings.TrimPrefix(fields[0], module)
		if strings.HasPrefix(room, testSupport) {
			continue
		}
		may, ok := allowed[room]
		if !ok {
			t.Errorf("%s is not in the table of rooms", room)
		}
		delete(allowed, room)
		var does []string
		for _, path := range fields[1:] {
			if own, ok := strings.CutPrefix(path, module); ok {
				does = append(does, own)
			}
			for prefix, name := range short {
				if rest, ok := strings.CutPrefix(path, prefix); ok {
					does = append(does, name+rest)
				}
			}
		}
		for _, path := range does {
			if !slices.Contains(may, path) {
				t.Errorf("%s imports %s, which it may not", room, path)
			}
		}
		for _, path := range may {
			if !slices.Contains(does, path) {
				t.Errorf("%s does not import %s: take that out of the table", room, path)
			}
		}
	}
	for room := range allowed {
		t.Errorf("%s is in the table of rooms but not there", room)
	}
}
