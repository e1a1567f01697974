package tracer

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"memtrace/bpf"
	"memtrace/tracer/probe"
	"memtrace/tracer/testsupport/testprog"
)

// Probes fire in forked children, and tracepoints in every process: nothing of theirs is
// recorded.
func TestOthersAreNotTraced(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for name, cfg := range map[string]Config{"one link": {}, "single uprobes": {older: probe.Older{SingleUprobes: true}}} {
		for _, scenario := range []string{"fork-child", "evicted"} {
			t.Run(name+"/"+scenario, func(t *testing.T) {
				p := testprog.Start(t, "traps", scenario)
				stop := busyMapping(t)
				tr, _ := trace(t, cfg, p)
				stop()
				pid := uint32(p.PID())
				own := tr.Snapshot(SnapshotOptions{})[0].Events
				if all := tr.Status().Events; all != own.Alloc+own.Free+own.Realloc+own.Mmap+own.Munmap+own.Mremap+own.Brk+own.Mprotect {
					t.Errorf("%d events of all processes, of the one that is traced: %+v", all, own)
				}
				for _, thread := range threadsKept(t) {
					if uint32(thread>>32) != pid {
						t.Errorf("state is kept of thread %d of process %d", uint32(thread), thread>>32)
					}
				}
			})
		}
	}
}

// busyMapping maps and unmaps memory in this process until it is stopped.
func busyMapping(t *testing.T) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(time.Millisecond):
			}
			memory, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err == nil {
				err = unix.Munmap(memory)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}()
	return func() { close(quit); <-done }
}

// threadsKept lists the threads (pid_tgid) whose state the probes hold.
func threadsKept(t *testing.T) (ids []uint64) {
	t.Helper()
	var id uint64
	var state bpf.MemtraceThread
	threads := ownMap(t, "threads")
	defer threads.Close()
	all := threads.Iterate()
	for all.Next(&id, &state) {
		ids = append(ids, id)
	}
	if err := all.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// ownMap returns the youngest map with this name among the descriptors of this process.
func ownMap(t *testing.T, name string) (newest *ebpf.Map) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(ownObjects(t, "map_id"))) {
		m, err := ebpf.NewMapFromID(ebpf.MapID(id))
		if err != nil {
			t.Fatal(err)
		}
		info, err := m.Info()
		if err != nil || info.Name != name {
			_ = m.Close()
			continue
		}
		if newest != nil {
			_ = newest.Close()
		}
		newest = m
	}
	if newest == nil {
		t.Fatalf("there is no map %s", name)
	}
	return newest
}

// ownObjects returns the ids of the BPF objects of a kind, named as in fdinfo, that this
// process has descriptors of.
func ownObjects(t testing.TB, kind string) map[uint32]bool {
	t.Helper()
	ids := make(map[uint32]bool)
	files, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		info, _ := os.ReadFile(name) // it may be closed by now
		for line := range strings.Lines(string(info)) {
			var id uint32
			if n, _ := fmt.Sscanf(line, kind+": %d", &id); n == 1 {
				ids[id] = true
			}
		}
	}
	return ids
}

// Nothing is kept of threads that died, inside malloc or not: a new thread may get the number.
func TestDeadThreadsAreForgotten(t *testing.T) {
	testprog.NeedRoot(t)
	for _, scenario := range []string{"thread-dies", "thread-killed"} {
		t.Run(scenario, func(t *testing.T) {
			p := testprog.Start(t, "traps", scenario)
			trace(t, Config{}, p)
			main := uint64(p.PID())<<32 | uint64(p.PID())
			if got := threadsKept(t); !reflect.DeepEqual(got, []uint64{main}) {
				t.Errorf("state is kept of threads %#x, want %#x alone", got, main)
			}
		})
	}
}

// Scratch space belongs to a thread. If it belonged to a CPU, another program that preempts
// this one there could overwrite it. Only two things are per CPU: the counters, which are
// added to atomically, and data that races may spoil.
func TestScratchIsTheThreads(t *testing.T) {
	spec, err := bpf.LoadMemtrace()
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range spec.Maps {
		switch m.Type {
		case ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash:
			if name != "counts" && name != "fault_clocks" { // when to sample a fault
				t.Errorf("%s has an element for each CPU", name)
			}
		}
	}
	for _, v := range spec.Maps[".bss"].Value.(*btf.Datasec).Vars {
		name := v.Type.TypeName()
		if !strings.HasPrefix(name, "unused_") {
			t.Errorf("all programs write %s", name)
		}
	}
}

// A trace ends with its probes removed and then everything that they sent read.
func TestNothingIsLeftInTheRing(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Start(t, "busy", "--threads", "2")
	p.Say("go")
	for range 5 {
		tr, err := Open(context.Background(), Config{PIDs: []int{p.PID()}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		err = tr.Run(ctx)
		cancel()
		if err != nil {
			t.Error(err)
		}
		if n := tr.stream.Pending(); n != 0 {
			t.Errorf("%d bytes are left in the ring", n)
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}
}
