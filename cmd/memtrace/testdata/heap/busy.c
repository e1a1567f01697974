// busy PERIOD [PROGRAM ARGS...]: every PERIOD milliseconds a session that is listed in a global and a
// block that nobody points at are allocated, beside a full cache of which 200 entries a second are
// replaced, and two threads that allocate and free as fast as they can. Any input makes it run
// another program.
// gcc -O1 -g -pthread
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { slots = 5000, entries = 2000 };

struct session {
	struct session *next;
	long id;
	char name[120];
};

struct session *volatile sessions;
void *volatile *volatile cache;

static uint64_t random_number(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void *churn(void *arg)
{
	uint64_t s = 88172645463325252ull + (uintptr_t)arg * 7919;
	char **own = calloc(slots, sizeof *own);
	for (long n = 1;; n++) {
		long i = random_number(&s) % slots;
		if (own[i]) {
			free(own[i]);
			own[i] = NULL;
		} else {
			size_t size = 16 + random_number(&s) % 300;
			own[i] = malloc(size);
			memset(own[i], (int)random_number(&s), size < 32 ? size : 32);
		}
		if (n % 20000 == 0)
			usleep(3000);
	}
	return NULL;
}

static void *entry(uint64_t *s)
{
	long *p = calloc(1, 152);
	*p = (long)random_number(s);
	return p;
}

static long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	long period = atol(argv[1]);
	uint64_t s = 99;
	cache = calloc(entries, sizeof *cache);
	for (int i = 0; i < entries; i++)
		cache[i] = entry(&s);
	for (long i = 0; i < 2; i++) {
		pthread_t t;
		pthread_create(&t, NULL, churn, (void *)i);
	}
	puts("ready busy");
	fflush(stdout);
	for (long k = 0, start = now_ms();;) {
		struct pollfd in = {.fd = 0, .events = POLLIN};
		if (poll(&in, argc > 2, 50) > 0 && argc > 2) {
			execv(argv[2], argv + 2);
			return 1;
		}
		for (int j = 0; j < 10; j++) {
			long i = random_number(&s) % entries;
			free(cache[i]);
			cache[i] = entry(&s);
		}
		for (; k < (now_ms() - start) / period; k++) {
			struct session *x = calloc(1, sizeof *x);
			x->id = k;
			x->next = sessions;
			sessions = x;
			memset(malloc(88), 7, 88);
		}
	}
}
