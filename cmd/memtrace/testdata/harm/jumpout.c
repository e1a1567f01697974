// build: gcc -O1 -g -fno-builtin
/*
 * A signal handler leaves malloc by siglongjmp, and the thread goes on to allocate. It does
 * so further down its stack, where the return address of the call that never returned is
 * overwritten at once ("over") or by no frame ("below"), or further up ("above").
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int inside;
static void *volatile block;
static long kept;

static void handler(int signal)
{
	(void)signal;
	if (inside)
		siglongjmp(back, 1);
}

__attribute__((noinline)) static void site_after(void)
{
	free(malloc(7));
	block = malloc(48);
	kept++;
}

/* Its frame covers the place that malloc was called from, and is hardly written to. */
__attribute__((noinline)) static void below(void)
{
	volatile char frame[4096];

	frame[0] = 1;
	for (int i = 0; i < 20000; i++)
		site_after();
	frame[1] = 1;
}

__attribute__((noinline)) static void plainly(void)
{
	for (int i = 0; i < 20000; i++)
		site_after();
}

static inline __attribute__((always_inline)) void be_interrupted(void)
{
	for (;;) {
		void *large;

		inside = 1;
		large = malloc(64 << 20);
		inside = 0;
		free(large);
	}
}

__attribute__((noinline)) static void be_interrupted_deep(void)
{
	volatile char frame[1024];

	frame[0] = 1;
	be_interrupted();
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_NODEFER};
	struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
	char line[64];

	if (argc != 2)
		return 2;
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	printf("ready %d\n", getpid());
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	if (!sigsetjmp(back, 1)) {
		if (!strcmp(argv[1], "over"))
			be_interrupted();
		be_interrupted_deep();
	}
	setitimer(ITIMER_REAL, &never, NULL);
	inside = 0;
	if (!strcmp(argv[1], "below"))
		below();
	else
		plainly();
	printf("site site_after %ld %ld\ncalls %ld\ndone\n", 48 * kept, kept, 2 * kept);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}
