package ptmalloc

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"memtrace/tracer/process/target"
	"memtrace/tracer/testsupport/testprog"
)

func TestStatic(t *testing.T) {
	const source = `
#include <stdlib.h>
#include <unistd.h>
void *kept[13];
int main(void) {
	for (int i = 0; i < 13; i++) kept[i] = malloc(500000);
	for (int i = 0; i < 7; i++) if (!malloc(1000)) return 1;
	write(1, "ready 1\n", 8);
	pause();
}`
	for _, flags := range []string{"gcc -static", "gcc -static-pie -fPIE", "gcc -static -s"} {
		dir := testprog.BuildText(t, map[string]string{"prog.c": "// build: " + flags + "\n" + source})
		p := testprog.Command(t, exec.Command(filepath.Join(dir, "prog")))
		h, err := openStatic(p.PID())
		if err != nil {
			if !strings.Contains(flags, " -s") || !errors.Is(err, target.ErrNoAllocator) {
				t.Errorf("%s: %v", flags, err)
			}
			continue
		}
		params, err := h.Params()
		if err != nil || params.MmappedBlocks != 13 || params.Source != SourceSymbol {
			t.Errorf("%s: %+v, %v", flags, params, err)
		}
		arenas, err := h.Arenas(Limits{})
		if system, free, complete := arenas.Total(); err != nil || system < 7000 || free == 0 || !complete {
			t.Errorf("%s: %+v, %v", flags, arenas, err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
}

func openStatic(pid int) (*Heap, error) {
	found, err := target.Find(pid)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	return Open(found)
}

// TestNamespaces loads a second libc into the process by dlmopen. Its malloc cannot use brk.
func TestNamespaces(t *testing.T) {
	const source = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
int main(void) {
	void *other = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
	void *(*their_malloc)(size_t) = other ? dlsym(other, "malloc") : NULL;
	if (!their_malloc) return 1;
	for (int i = 0; i < 3; i++) if (!malloc(1000000)) return 1;
	for (int i = 0; i < 5; i++) if (!their_malloc(1000000) || !their_malloc(10)) return 1;
	write(1, "ready 1\n", 8);
	pause();
}`
	dir := testprog.BuildText(t, map[string]string{"prog.c": "// build: gcc -fno-builtin\n" + source})
	p := testprog.Command(t, exec.Command(filepath.Join(dir, "prog")))
	h := openHeap(t, p.PID())
	params, err := h.Params()
	if err != nil || h.Instances != 2 || params.MmappedBlocks != 3 {
		t.Errorf("%d instances, %+v, %v", h.Instances, params, err)
	}
	arenas, err := h.Arenas(Limits{})
	if err != nil || len(arenas.Arenas) != 1 || !arenas.Arenas[0].Contiguous {
		t.Errorf("%+v, %v", arenas, err)
	}
}
