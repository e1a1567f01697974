package main

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// coroutines switches between the main stack and stacks of coroutines, in which site_item
// allocates.
const coroutines = `
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
enum { N = 4, SIZE = 65536 };
static int now;
static char garbage[64];
__attribute__((noinline)) static void *site_item(void) { void *volatile p = malloc(700); return p; }
__attribute__((noinline)) static void step(void) { site_item(); __asm__ volatile(""); }
static char *new_stack(void) { return mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
PREPARE
int main(void)
{
	char c;
	prepare();
	printf("ready %d\n", getpid());
	fflush(stdout);
	if (read(0, &c, 1) == 1)
		for (now = 0; now < N; now++)
			resume();
	printf("calls 4\ndone\n");
	fflush(stdout);
	while (read(0, &c, 1) == 1)
		;
	return 0;
}
`

// Each kind of coroutine leaves something else on top of its stack.
var coroutineKinds = map[string]string{
	// The address of __start_context, which takes the coroutine's successor from the stack.
	"ucontext": `
static ucontext_t back, contexts[N];
static void body(int i) { step(); swapcontext(&contexts[i], &back); }
static void prepare(void)
{
	for (int i = 0; i < N; i++) {
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_sp = new_stack();
		contexts[i].uc_stack.ss_size = SIZE;
		contexts[i].uc_link = &back;
		makecontext(&contexts[i], (void (*)(void))body, 1, i);
	}
}
static void resume(void) { swapcontext(&back, &contexts[now]); }
`,
	// The address of a function that ends the coroutine, and then data.
	"function": `
void *switch_to(void **save, void *to);
__asm__(".text\n.globl switch_to\n.type switch_to,@function\nswitch_to:\npush %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
	"mov %rsp,(%rdi)\nmov %rsi,%rsp\npop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n.size switch_to,.-switch_to\n");
static void *back, *stacks[N];
static void body(void) { step(); switch_to(&stacks[now], back); }
__attribute__((noinline)) static void finish(void) { _exit(3); }
static void prepare(void)
{
	for (int i = 0; i < N; i++) {
		void **sp = (void **)(new_stack() + SIZE - 64);
		sp[1] = garbage;
		sp[0] = (void *)finish;
		*--sp = (void *)body;
		for (int k = 0; k < 6; k++)
			*--sp = garbage;
		stacks[i] = sp;
	}
}
static void resume(void) { switch_to(&back, stacks[now]); }
`,
}

// A coroutine's stack is whole up to its function. Neither what lies above nor where the function
// returns to is a frame of it.
func TestStacksOfCoroutines(t *testing.T) {
	testprog.NeedRoot(t)
	for kind, source := range coroutineKinds {
		t.Run(kind, func(t *testing.T) {
			program := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin", strings.Replace(coroutines, "PREPARE", source, 1))
			p := testprog.Command(t, exec.Command(program))
			m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
			p.Work()
			r := m.stop()
			var all []report.Frame
			blocks := uint64(0)
			for _, s := range r.Stacks {
				if len(s.Frames) < 2 || s.Frames[0].Function != "site_item" {
					continue
				}
				blocks, all = blocks+s.Blocks, s.Frames
				if last := &s.Frames[len(s.Frames)-1]; s.Truncated || last.Function != "body" {
					t.Errorf("truncated %v, ends in %s %s+%#x: %+v", s.Truncated, last.Function, last.Module, last.Offset, s.Frames)
				}
			}
			if blocks != 4 {
				t.Errorf("%d blocks, the last by %+v", blocks, all)
			}
		})
	}
}
