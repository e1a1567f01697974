//go:build attack

package attack

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

var (
	total = flag.Duration("attack.time", 30*time.Second, "what all attacks together may take")
	seed  = flag.Uint64("attack.seed", uint64(time.Now().UnixNano()), "what every random choice follows from")
	first = flag.Int("attack.round", 0, "the round to begin with")
)

// attack is one way of doing harm.
type attack struct {
	name string
	does string // what is done
	hold string // what must hold
	// run goes on while scene.next says so.
	run func(*scene)
}

// attacks are in the order of the table.
var attacks = []attack{
	{"cycles", "attaches and detaches in random modes, with random options, on six busy threads", "every block keeps its contents, the target works on", attachAndDetach},
	{"tool-killed", "kills memtrace (SIGKILL, SIGTERM, SIGINT once and twice) at random moments", "the target works on, nothing is left in it", killTool},
	{"target-killed", "kills the target (SIGKILL, SIGTERM, SIGSEGV) at random moments", "memtrace ends by itself, with a report or one clear line", killTarget},
	{"stopped", "stops and continues the target while memtrace comes, traces and goes", "the target works on, memtrace ends in time", stopAndContinue},
	{"elf-run", "damages section headers, symbols, tables, notes, debug data and debug files of a program, runs and traces it", "exact figures, no refusal, memory bounded", runDamaged},
	{"elf-mapped", "has a traced process map and load damaged libraries", "exact figures, memory bounded", mapDamaged},
	{"names", "gives the program, its path, its libraries, its cgroup and its perf map hostile names", "no control byte and no forged line in any output", hostileNames},
	{"strace", "strace attaches and leaves while memtrace comes, traces and goes", "the target works on", besideStrace},
	{"gdb", "gdb sets a breakpoint on malloc, attaches and leaves while memtrace comes, traces and goes", "the target works on", besideGDB},
	{"uprobes", "other uprobes come and go on the same instructions", "the target works on, the others' count goes on", besideUprobes},
	{"second", "two memtraces trace one process, and come and go", "the target works on", besideAnother},
	{"fork", "the target forks, vforks and spawns all the time", "exact figures, the children's blocks are as they were", storm("fork", nothingLost)},
	{"exec", "the target executes itself every few milliseconds", "the target works on", storm("exec", noLedger)},
	{"fork-followed", "the target forks, vforks and spawns all the time, and memtrace follows its children", "exact figures, the children's blocks are as they were", storm("fork", nothingLost, "--follow")},
	{"exec-followed", "the target executes itself every few milliseconds, and memtrace follows it", "the target works on", storm("exec", noLedger, "--follow")},
	{"follow-killed", "kills memtrace (SIGKILL, SIGTERM, SIGINT) while it follows children of a target that forks, vforks and spawns", "the target and its children work on, nobody is left held", killFollower},
	{"threads", "eight threads at a time come, allocate and end", "exact figures", storm("threads", nothingLost)},
	{"dlopen", "a library is loaded, allocates and is unloaded, all the time", "exact figures", storm("dlopen", nothingLost)},
	{"signals-below", "a handler allocates inside malloc, on an alternate stack below", "exact figures", storm("signals-below", nothingLost)},
	{"signals-above", "a handler allocates inside malloc, on an alternate stack above", "exact figures or a refusal, the target works on", storm("signals-above", figures)},
	{"jumps", "siglongjmp leaves malloc, again and again", "the allocations after it are all there", storm("jumps", figures)},
	{"coroutines", "64 coroutines allocate, each on its own stack (swapcontext)", "exact figures", storm("coroutines", nothingLost)},
	{"deep", "stacks of 50,000 frames", "exact figures", storm("deep", nothingLost)},
	{"maps", "3,000 mappings, and one that turns executable every millisecond", "exact figures", storm("maps", nothingLost)},
	{"exceptions", "exceptions pass allocations, and bad_alloc leaves operator new (glibc, jemalloc, tcmalloc)", "exact figures or a refusal, the target works on", throwExceptions},
	{"limits", "memtrace and the target under small rlimits", "a report, or one clear line", underLimits},
}

// TestAttack runs every attack for a share of the time, and then prints the table of what they
// did.
func TestAttack(t *testing.T) {
	testprog.NeedRoot(t)
	c := newCamp(t)
	// An attack spends most of its time waiting for the kernel, so it may be given more lanes
	// than there are processors: go test -parallel.
	lanes := flag.Lookup("test.parallel").Value.(flag.Getter).Get().(int)
	share := *total * time.Duration(lanes) / time.Duration(len(attacks))
	fmt.Printf("seed %d\n", *seed)
	t.Run("all", func(t *testing.T) {
		for i := range attacks {
			a := &attacks[i]
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				c.attack(t, a, share)
			})
		}
	})
	c.checkOwn(t)
	fmt.Print(c.table())
}

// camp is what all attacks share.
type camp struct {
	dir      string // the folder of the programs
	memtrace string
	libc     string // a folder with a libc of its own
	before   ownState
	results
}

func newCamp(t *testing.T) *camp {
	t.Helper()
	c := &camp{dir: t.TempDir(), results: results{all: make(map[string]*result)}}
	if err := testprog.Build(t.Context(), "testdata", c.dir); err != nil {
		t.Fatal(err)
	}
	c.memtrace = filepath.Join(c.dir, "memtrace")
	cmd := exec.Command("go", "build", "-o", c.memtrace, "memtrace/cmd/memtrace")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build memtrace: %v\n%s", err, out)
	}
	c.libc = filepath.Join(c.dir, "libc")
	libc, err := exec.Command("gcc", "-print-file-name=libc.so.6").Output()
	if err == nil {
		err = os.Mkdir(c.libc, 0o755)
	}
	if err == nil {
		err = exec.Command("cp", strings.TrimSpace(string(libc)), c.libc).Run()
	}
	if err != nil {
		t.Fatalf("copy libc: %v", err)
	}
	// Programs read by users other than root must be reachable.
	if err := os.Chmod(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c.before = takeOwnState(t)
	return c
}

// attack runs one attack and fails the test with what did not hold.
func (c *camp) attack(t *testing.T, a *attack, share time.Duration) {
	s := &scene{camp: c, t: t, attack: a, deadline: time.Now().Add(share), round: *first - 1, result: c.begin(a.name)}
	a.run(s)
	s.endRound()
	for _, text := range s.result.faults {
		t.Error(text)
	}
	if n := s.result.failed - len(s.result.faults); n > 0 {
		t.Errorf("and %d more", n)
	}
}
