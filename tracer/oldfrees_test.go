package tracer

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"memtrace/tracer/book/live"
	"memtrace/tracer/testsupport/testprog"
)

// cacheProgram has a full cache when it is ready. At the first line it replaces every entry
// and leaks, and at the second it does so again. Before that it gives up some other old blocks.
const cacheProgram = `// build: gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls -pthread
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void *cache[3000], *mapped, *grown, *passed;
void *volatile sink;
__attribute__((noipa)) void *parse(int i) { void *p = malloc(400 + i % 64); sink = p; return p; }
__attribute__((noipa)) void audit_log(void) { sink = malloc(100); }
__attribute__((noipa)) void *cache_fill(int i) { void *p = malloc(300 + i % 5 * 16); sink = p; return p; }
__attribute__((noipa)) void *grow(void *old) { void *p = realloc(old, 60000); sink = p; return p; }
static void *free_passed(void *p) { free(p); return NULL; }
int main(void)
{
	char line[8];
	pthread_t thread;

	for (int i = 0; i < 3000; i++) cache[i] = cache_fill(i);
	mapped = malloc(1 << 20), grown = malloc(5000), passed = malloc(7000);
	dprintf(1, "ready %d\n", getpid());
	if (read(0, line, 2) != 2) return 1;
	free(mapped);
	grown = grow(grown);
	pthread_create(&thread, NULL, free_passed, passed);
	pthread_join(thread, NULL);
	do {
		for (int i = 0; i < 3000; i++) {
			void *p = parse(i);
			if (i % 4 == 0) audit_log();
			free(p);
			free(cache[i]);
			cache[i] = cache_fill(i);
		}
		dprintf(1, "done\n");
	} while (read(0, line, 2) == 2);
	return 0;
}
`

// A cache that replaces its entries takes the place of as much as it frees. A leak does not.
func TestOldFrees(t *testing.T) {
	testprog.NeedRoot(t)
	dir := testprog.BuildText(t, map[string]string{"cache.c": cacheProgram})
	for name, minSize := range map[string]uint64{"all": 0, "not the smallest": 200} {
		t.Run(name, func(t *testing.T) {
			p := testprog.Command(t, exec.Command(filepath.Join(dir, "cache")))
			tr, end := run(t, Config{PIDs: []int{p.PID()}, MinSize: minSize})
			for range 2 {
				p.Say("n")
				p.Line()
			}
			tr.stream.Sync(t.Context(), 10*time.Second)
			known := tr.facts(uint32(p.PID()), SnapshotOptions{}).Known
			end()
			old := func(chunk, blocks uint64) live.OldFree {
				return live.OldFree{Chunk: chunk, Blocks: blocks, Bytes: chunk * blocks}
			}
			want := []live.OldFree{
				old(1<<20+4096, 1), old(384, 600), old(368, 600), old(352, 600), old(336, 600), old(320, 600),
				old(7008, 1), old(5008, 1),
			}
			// A thread that ends frees its cache (struct tcache_perthread_struct), which malloc
			// made without a call.
			cache := func(o live.OldFree) bool { return o.Chunk == 0x250 || o.Chunk == 0x290 || o.Chunk == 0x300 }
			if diff := cmp.Diff(want, known.Heap.Old, cmpopts.IgnoreFields(live.OldFree{}, "BytesPerSecond"),
				cmpopts.IgnoreSliceElements(cache)); diff != "" || known.Heap.OldUnsized != 0 {
				t.Errorf("%d without a size (-want +got):\n%s", known.Heap.OldUnsized, diff)
			}
			checkReplaced(t, known.Heap.Stacks)
		})
	}
}

// checkReplaced checks that each block of the cache replaces an old one, and no other block.
func checkReplaced(t *testing.T, stacks []live.Stack) {
	t.Helper()
	found := false
	for _, st := range stacks {
		cached := st.Blocks == 3000
		found = found || cached
		if cached && (st.ReplacedBlocks != 3000 || st.ReplacedBytes != st.Served.Taken()) ||
			!cached && st.ReplacedBlocks+st.ReplacedBytes != 0 {
			t.Errorf("%+v", st)
		}
	}
	if !found {
		t.Errorf("no stack has the cache's blocks: %+v", stacks)
	}
}
