//go:build attack

package attack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// beside runs another tool while memtrace traces a busy target. start starts the tool and
// returns the function that ends it. Which of the two comes first and which goes first is
// drawn.
func (s *scene) beside(start func(p *target) (stop func())) {
	s.onBusy(func(p *target) {
		var m *tool
		var stop func()
		steps := []func(){
			func() { m = s.startTool(s.randomArgs(p.pid())...); m.waitReady() },
			func() { stop = start(p) },
		}
		s.rng.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
		for _, step := range steps {
			step()
			time.Sleep(s.within(300 * time.Millisecond))
		}
		ends := []func(){stop, m.stop}
		s.rng.Shuffle(len(ends), func(i, j int) { ends[i], ends[j] = ends[j], ends[i] })
		for _, end := range ends {
			end()
			time.Sleep(s.within(100 * time.Millisecond))
		}
		switch {
		case m.code() == 0:
			s.count("reports", 1)
		default:
			s.count("refusals", 1)
		}
	})
}

// startOther runs another program. The returned function waits for it.
func (s *scene) startOther(cmd *exec.Cmd) (wait func()) {
	if err := cmd.Start(); err != nil {
		s.failf("start %v: %v", cmd.Args, err)
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // what it says does not matter
		close(done)
	}()
	return func() {
		select {
		case <-done:
			return
		case <-time.After(patience / 3):
			// A debugger may wait for a breakpoint at the same place as a probe.
			s.count("interrupted", 1)
			_ = cmd.Process.Signal(os.Interrupt)
		}
		select {
		case <-done:
		case <-time.After(patience):
			s.failf("%v does not end", cmd.Args)
			_ = cmd.Process.Kill()
			<-done
		}
	}
}

func besideStrace(s *scene) {
	s.beside(func(p *target) func() {
		cmd := exec.Command("strace", "-f", "-q", "-o", "/dev/null", "-p", strconv.Itoa(p.pid()))
		wait := s.startOther(cmd)
		return func() {
			if cmd.Process != nil {
				_ = cmd.Process.Signal(syscall.SIGINT) // it may have ended
			}
			wait()
		}
	})
}

// besideGDB never kills gdb: what it had changed in the target would stay there.
func besideGDB(s *scene) {
	s.beside(func(p *target) func() {
		args := []string{"-nx", "-batch", "-iex", "set debuginfod enabled off", "-p", strconv.Itoa(p.pid())}
		if !s.chance(4) {
			args = append(args, "-ex", "break "+pick(s.rng, "malloc", "free", "calloc"))
			if s.chance(2) {
				args = append(args, "-ex", "continue")
			}
		}
		args = append(args, "-ex", fmt.Sprintf("shell sleep %.2f", s.within(time.Second).Seconds()))
		if s.chance(2) {
			args = append(args, "-ex", "delete")
		}
		return s.startOther(exec.Command("gdb", append(args, "-ex", "detach")...))
	})
}

func besideAnother(s *scene) {
	s.beside(func(p *target) func() {
		other := s.startTool(s.randomArgs(p.pid())...)
		if s.chance(2) {
			other.waitReady()
		}
		if s.chance(4) {
			return func() {
				other.note()
				other.kill()
				s.checkGone(other.held)
			}
		}
		return other.stop
	})
}

// besideUprobes puts a counting program at the entries of libc's functions.
func besideUprobes(s *scene) {
	counter, program, err := countingProgram()
	if err != nil {
		s.failf("%v", err)
		return
	}
	defer counter.Close()
	defer program.Close()
	s.beside(func(p *target) func() {
		libc, err := link.OpenExecutable(fmt.Sprintf("/proc/%d/root/lib/x86_64-linux-gnu/libc.so.6", p.pid()))
		if err != nil {
			s.failf("open libc: %v", err)
			return func() {}
		}
		attach := libc.UprobeMulti
		if s.chance(2) {
			attach = libc.UretprobeMulti
		}
		l, err := attach([]string{"malloc", "calloc", "realloc", "free"}, program, &link.UprobeMultiOptions{PID: uint32(p.pid())})
		if err != nil {
			s.failf("attach another uprobe: %v", err)
			return func() {}
		}
		before := count(counter)
		return func() {
			defer l.Close()
			for end := time.Now().Add(patience); count(counter) == before; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(end) {
					s.failf("other uprobes are met no more")
					return
				}
			}
			s.count("hits of other uprobes", int64(count(counter)-before))
		}
	})
}

// countingProgram counts in an array how often it runs.
func countingProgram() (*ebpf.Map, *ebpf.Program, error) {
	counter, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return nil, nil, fmt.Errorf("create the counter: %w", err)
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Kprobe, AttachType: ebpf.AttachTraceUprobeMulti, License: "GPL",
		Instructions: asm.Instructions{
			asm.StoreImm(asm.RFP, -4, 0, asm.Word),
			asm.LoadMapPtr(asm.R1, counter.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "end"),
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
			asm.Return(),
		},
	})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("load the counting program: %w", err), counter.Close())
	}
	return counter, program, nil
}

func count(m *ebpf.Map) uint64 {
	var n uint64
	if err := m.Lookup(uint32(0), &n); err != nil {
		return 0
	}
	return n
}
