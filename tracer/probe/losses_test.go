package probe

import (
	"os"
	"os/exec"
	"testing"

	"memtrace/tracer/event"
	"memtrace/tracer/process/target"
	"memtrace/tracer/testsupport/testprog"
)

// losingProgram allocates at two places, with more of the stack above than fits into the smallest
// ring, and resizes a block whose address is in memory that was never touched, where no BPF
// program can read it.
const losingProgram = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static void *volatile kept;
__attribute__((noipa)) static void first(void) { kept = malloc(100); __asm__ volatile(""); }
__attribute__((noipa)) static void second(void) { kept = malloc(200); __asm__ volatile(""); }
int main(void)
{
	char deep[16384], line[64];
	int (*resize)(void *, size_t, size_t) = dlsym(RTLD_DEFAULT, "mi_reallocarr");
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IONBF, 0);
	memset(deep, 1, sizeof(deep));
	printf("ready %d\n", getpid());
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "first\n"))
			first();
		if (!strcmp(line, "second\n"))
			second();
		if (!strcmp(line, "resize\n"))
			resize(page, 2, 16);
		puts("done");
	}
	return deep[0];
}`

// losses returns what is counted of each step of losingProgram, where nobody reads the ring.
func losses(t *testing.T, o Options, preload string, steps ...string) (all []event.Counters) {
	t.Helper()
	s := loadSet(t, o)
	cmd := exec.Command(testprog.BuildProgram(t, "gcc -O1 -fno-builtin", losingProgram))
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+preload)
	program := testprog.Command(t, cmd)
	process, err := target.Find(program.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	if err := s.Trace(uint32(program.PID())); err != nil {
		t.Fatal(err)
	}
	for _, o := range process.Objects {
		links, err := s.Attach(program.PID(), o, Ends|Births)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = links.Close() })
	}
	if err := s.SetGate(GateAllocs | GateFrees); err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		program.Say(step)
		program.Line()
		c, err := s.Counters()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// The rest of a stack that finds no room is counted, and a stack whose rest may not be sent since
// the ring is half full is one that is cut.
func TestLostRestIsCounted(t *testing.T) {
	testprog.NeedRoot(t)
	o := options
	o.RingSize, o.Follow = 4096, true
	if k, err := FindFeatures(o); err != nil || !k.UnwindTables {
		testprog.Missing(t, "this kernel walks no stacks by unwind tables")
	}
	got := losses(t, o, "", "first", "second")
	if got[0].LostStack != 1 || got[0].CutNoRule != 0 {
		t.Errorf("after a stack whose rest has no room: %+v, want one that is lost", got[0])
	}
	if got[1].LostStack != 1 || got[1].CutNoRule != 1 {
		t.Errorf("after a stack whose rest was not sent: %+v, want one that is cut", got[1])
	}
}

// A block that is given up and whose address cannot be read is a lost free.
func TestUnreadableOldBlockIsCounted(t *testing.T) {
	got := losses(t, options, testprog.Library(t, "libmimalloc.so.2"), "first", "resize")
	if got[0].LostFree != 0 || got[1].LostFree != 1 {
		t.Errorf("%d lost frees, then %d, want 0 and 1", got[0].LostFree, got[1].LostFree)
	}
}
