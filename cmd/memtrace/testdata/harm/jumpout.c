// build: gcc -O1 -g -fno-builtin
/*
 * A signal handler leaves malloc by siglongjmp, and the thread goes on to allocate. It does
 * so further down its stack, where the return address of the call that never returned is
 * overwritten at once ("over") or by no frame ("below"), or further up ("above").
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static void *libc;
static volatile int inside;
static void *volatile block;
static long kept;

/* Whether the thread was interrupted in libc, and so in malloc. A signal that comes while the
 * kernel handles malloc's return finds the thread elsewhere, and malloc has returned. */
static int left(const ucontext_t *interrupted)
{
	Dl_info object;

	return dladdr((void *)interrupted->uc_mcontext.gregs[REG_RIP], &object) && object.dli_fbase == libc;
}

static void handler(int signal, siginfo_t *info, void *interrupted)
{
	(void)signal;
	(void)info;
	if (inside && left(interrupted))
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
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
	struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
	char line[64];
	Dl_info object;

	if (argc != 2 || !dladdr(dlsym(RTLD_DEFAULT, "malloc"), &object))
		return 2;
	libc = object.dli_fbase;
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
