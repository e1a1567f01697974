package focus

import (
	"debug/elf"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/book"
	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }

// kernel is a Set that is loaded for tests.
func kernel(t *testing.T, pid int, older probe.Older) (*probe.Set, *probe.Attached) {
	t.Helper()
	testprog.NeedRoot(t)
	o := probe.Options{StackDepth: 127, MaxSize: math.MaxUint64, RingSize: 1 << 20, Older: older, Logf: t.Logf}
	k, err := probe.FindFeatures(o)
	if err != nil {
		t.Fatal(err)
	}
	attached := new(probe.Attached)
	s, err := probe.Load(k, o, attached)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := attached.CloseProbes(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Trace(uint32(pid)); err != nil {
		t.Fatal(err)
	}
	if err := s.SetGate(probe.GateCalls); err != nil {
		t.Fatal(err)
	}
	return s, attached
}

// started is a program that is probed, and what is needed to look at it.
type started struct {
	*testprog.Program
	*Focus
	t    *testing.T
	path string
}

func start(t *testing.T, older probe.Older, rates func() map[uint64]float64) *started {
	t.Helper()
	testprog.NeedRoot(t)
	p := &started{t: t, path: testprog.Path(t, "places")}
	p.Program = testprog.Command(t, exec.Command(p.path))
	s, attached := kernel(t, p.PID(), older)
	found, err := target.Find(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(found.Close)
	if rates == nil {
		rates = func() map[uint64]float64 { return nil }
	}
	p.Focus = New(Config{
		Target: found, Kernel: s, Windowed: func() bool { return true }, Rates: rates,
		Origins: func([]uint64) []book.Origin { return nil }, Debugged: func() bool { return false },
		CloseProbes: attached.Close, Aside: func() func() { return func() {} },
		MaxOverhead: 0.03, Price: 10 * time.Microsecond, Logf: t.Logf,
	})
	t.Cleanup(p.Stop)
	return p
}

// tell has the program do something.
func (p *started) tell(what string) {
	p.t.Helper()
	p.Say(what)
	if got := p.Line(); got != "done" {
		p.t.Fatalf("%q: %q", what, got)
	}
}

// until waits for a state.
func (p *started) until(what string, is func(s *report.HeapFocus) bool) {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if s := p.State(); s != nil && (s.Unread != "" || is(s)) {
			if s.Unread != "" {
				p.t.Fatalf("%s: %+v", what, s)
			}
			return
		}
	}
	p.t.Fatalf("%s: %+v", what, p.State())
}

// probes returns in which functions of the program the memory has a breakpoint.
func (p *started) probes() (list []string) {
	p.t.Helper()
	f, err := elf.Open(p.path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	text := f.Section(".text")
	code, err := text.Data()
	if err != nil {
		p.t.Fatal(err)
	}
	symbols, err := f.Symbols()
	if err != nil {
		p.t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", p.PID()))
	if err != nil {
		p.t.Fatal(err)
	}
	defer mem.Close()
	now := make([]byte, len(code))
	if _, err := mem.ReadAt(now, int64(p.base()+text.Addr)); err != nil {
		p.t.Fatal(err)
	}
	for i := range code {
		if now[i] == code[i] {
			continue
		}
		for _, s := range symbols {
			if at := text.Addr + uint64(i); elf.ST_TYPE(s.Info) == elf.STT_FUNC && at >= s.Value && at < s.Value+s.Size {
				list = append(list, s.Name)
			}
		}
	}
	return list
}

// base is where the program is loaded.
func (p *started) base() (start uint64) {
	p.t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", p.PID()))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, p.path) {
			_, _ = fmt.Sscanf(line, "%x-", &start)
			return start
		}
	}
	p.t.Fatal("it is not mapped")
	return 0
}
