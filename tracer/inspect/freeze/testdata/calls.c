// build: gcc -O1 -g -pthread
//   calls    has a thread in epoll_wait, others that start and end all the time, and one that counts
//            signals. For each line that it reads it says how often epoll_wait was interrupted, how
//            many signals came, and how many threads have run. A t has a timer send signals, a g
//            makes it 64 MB larger.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

static atomic_long interrupted, signals, threads;

static void *waits(void *arg)
{
	int e = epoll_create1(0);
	struct epoll_event event;
	for (;;)
		if (epoll_wait(e, &event, 1, -1) < 0 && errno == EINTR)
			interrupted++;
	return arg;
}

static void on_signal(int signal)
{
	(void)signal;
	signals++;
}

static void *short_lived(void *arg)
{
	threads++;
	free(malloc(100));
	return arg;
}

static void *starts(void *arg)
{
	for (;;) {
		pthread_t t[4];
		for (int i = 0; i < 4; i++)
			if (pthread_create(&t[i], NULL, short_lived, NULL))
				abort();
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	}
	return arg;
}

int main(void)
{
	pthread_t t;
	sigset_t alarm;
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigaddset(&alarm, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL); // the first thread alone takes it
	pthread_create(&t, NULL, waits, NULL);
	pthread_create(&t, NULL, starts, NULL);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &a, NULL);
	sigaction(SIGRTMIN, &a, NULL);
	puts("ready 1");
	fflush(stdout);
	for (int c; (c = getchar()) != EOF;)
		if (c == '\n') {
			printf("%ld %ld %ld\n", interrupted, signals, threads);
			fflush(stdout);
		} else if (c == 't') {
			struct itimerval each = {{0, 1000}, {0, 1000}};
			setitimer(ITIMER_REAL, &each, NULL);
		} else if (c == 'g') {
			memset(malloc(64 << 20), 1, 64 << 20);
		}
}
