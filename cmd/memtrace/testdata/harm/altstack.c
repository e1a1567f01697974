// build: gcc -O1 -g -fno-builtin -pthread
/*
 * Signals interrupt a thread in malloc. Their handler runs on an alternate stack above the
 * thread's own, and allocates and frees there. With the argument "autodisarm", the kernel
 * puts the alternate stack aside while the handler runs. The thread keeps every fiftieth
 * block, at site_thread. The handler keeps none.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static int autodisarm;
static char *area;
static atomic_long handled, kept, rounds;
static atomic_int ready, stop;

static void handler(int signal)
{
	(void)signal;
	free(malloc(24));
	handled++;
}

__attribute__((noinline)) static void *site_thread(void)
{
	return malloc(1 << 20); /* gets its own mapping, so much time is spent inside malloc */
}

static void *work(void *unused)
{
	stack_t alternate = {.ss_sp = area + (2 << 20), .ss_size = 1 << 20, .ss_flags = autodisarm ? SS_AUTODISARM : 0};

	(void)unused;
	if (sigaltstack(&alternate, NULL))
		abort();
	/* From now on the thread's cache has the block that the handler asks for. Otherwise
	 * the handler would wait for the lock that the interrupted malloc holds. */
	free(malloc(24));
	ready = 1;
	while (!stop) {
		void *block = site_thread();

		if (rounds++ % 50)
			free(block);
		else
			kept++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	pthread_attr_t attr;
	pthread_t thread;
	char line[64];

	autodisarm = argc > 1 && !strcmp(argv[1], "autodisarm");
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	area = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGUSR2, &action, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, area, 1 << 20);
	printf("ready %d\n", getpid());
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	pthread_create(&thread, &attr, work, NULL);
	while (!ready)
		usleep(50);
	for (int i = 0; i < 20000; i++) {
		pthread_kill(thread, SIGUSR2);
		usleep(50);
	}
	stop = 1;
	pthread_join(thread, NULL);
	printf("site site_thread %ld %ld\ncalls %ld\ndone\n", kept << 20, (long)kept, (long)handled);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}
