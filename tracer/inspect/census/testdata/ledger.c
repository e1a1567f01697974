// build: gcc -O1 -fno-builtin -pthread
// Allocates at random on several threads, prints where its blocks are, and waits.
//
//   ledger SEED THREADS OPERATIONS [nobrk|foreign|heaps|contents|handed]
//
// Prints "ready 1", then with each "go" on its input a line "ADDRESS USABLE" for each block that it
// has, and "done". With each "more" it first allocates and frees more, with each "thread" another
// thread does. It uses no stdio, which has blocks of its own.
//
// nobrk makes brk fail once half of the work is done, foreign calls sbrk itself between, heaps has each
// thread fill more than one heap of 64 MiB, contents stores in each word of a block the word's address.
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_THREADS = 64, SLOTS = 4000 };

static struct thread {
	uint64_t rng;
	long operations, number, late;
	void *slots[SLOTS];
	void *dtv; // the dynamic linker's block for the thread's variables
} threads[MOST_THREADS + 1];
static pthread_barrier_t worked, came;
static long count, operations;
static const char *mode = "";

static uint64_t next(struct thread *t) {
	uint64_t x = t->rng;
	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return t->rng = x;
}

static size_t some(struct thread *t) {
	switch (next(t) % 64) {
	case 0: return next(t) % 300000;
	case 1: return 131040 + next(t) % 20;
	case 2 ... 5: return next(t) % 20000;
	case 6 ... 15: return next(t) % 1100;
	default: return next(t) % 200;
	}
}

static void *fresh(struct thread *t) {
	size_t size = some(t);
	void *p;
	switch (next(t) % 16) {
	case 0: p = memalign(16ul << next(t) % 10, size); break;
	case 1: p = calloc(1, size); break;
	default: p = malloc(size);
	}
	if (!p)
		abort();
	size_t fill = next(t) % 4;
	if (fill) // some are left as malloc gave them
		memset(p, fill == 1 ? 0 : (int)next(t), size < 64 ? size : 64);
	return p;
}

static void churn(struct thread *t, long n) {
	while (n--) {
		void **slot = &t->slots[next(t) % SLOTS];
		if (*slot && next(t) % 8 == 0) {
			size_t size = some(t) + 1;
			*slot = realloc(*slot, size);
		} else if (*slot) {
			free(*slot);
			*slot = NULL;
		} else {
			*slot = fresh(t);
		}
	}
}

static void *work(void *arg) {
	struct thread *t = arg;
	void *dtv;
	__asm__("mov %%fs:8, %0" : "=r"(dtv));
	t->dtv = (char *)dtv - 16;
	if (!strcmp(mode, "heaps"))
		for (int i = 0; i < 1500; i++)
			t->slots[i] = malloc(100000 + 16 * i);
	churn(t, t->operations);
	pthread_barrier_wait(t->late ? &came : &worked);
	if (t->number % 4 == 3)
		return NULL; // the thread ends, and its blocks stay
	for (;;)
		pause();
}

static void keep(void *p) {
	for (int i = 0; i < SLOTS; i++)
		if (!threads[0].slots[i]) {
			threads[0].slots[i] = p;
			return;
		}
	abort();
}

static void *last_dtv; // of hand_on's threads, which all have the same stack

static void *end_with_cached(void *arg) {
	void *p[2], *dtv;
	__asm__("mov %%fs:8, %0" : "=r"(dtv));
	last_dtv = (char *)dtv - 16;
	for (int i = 0; i < 2; i++)
		p[i] = malloc((size_t)arg);
	for (int i = 0; i < 2; i++)
		free(p[i]);
	return NULL;
}

// hand_on has main take, from fastbins, blocks of each size that were in another thread's cache.
static void hand_on(void) {
	for (size_t size = 24; size <= 120; size += 16) {
		for (int i = 0; i < 100; i++)
			keep(malloc(size)); // main's cache and the fastbin have no more
		pthread_t thread;
		if (pthread_create(&thread, NULL, end_with_cached, (void *)size))
			abort();
		pthread_join(thread, NULL);
		keep(malloc(size));
	}
}

static char *out;
static size_t used;

static void line(void *p, int own) {
	if (own && !strcmp(mode, "contents"))
		for (size_t i = 0; i < malloc_usable_size(p) / 8; i++)
			((void **)p)[i] = (void **)p + i;
	used += sprintf(out + used, "%lu %lu\n", (unsigned long)p, (unsigned long)malloc_usable_size(p));
}

static void print(void) {
	used = 0;
	for (long i = 0; i <= count; i++) {
		for (int k = 0; k < SLOTS; k++)
			if (threads[i].slots[k])
				line(threads[i].slots[k], 1);
		if (threads[i].dtv)
			line(threads[i].dtv, 0);
	}
	if (last_dtv)
		line(last_dtv, 0);
	used += sprintf(out + used, "done\n");
	for (size_t at = 0; at < used;) {
		ssize_t n = write(1, out + at, used - at);
		if (n <= 0)
			_exit(1);
		at += n;
	}
}

int main(int argc, char **argv) {
	uint64_t seed = strtoul(argv[1], NULL, 10);
	count = strtol(argv[2], NULL, 10), operations = strtol(argv[3], NULL, 10);
	if (argc > 4)
		mode = argv[4];
	if (!strcmp(mode, "handed"))
		mallopt(M_ARENA_MAX, 1);
	out = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	pthread_barrier_init(&worked, NULL, count + 1);
	for (long i = 0; i <= count; i++) {
		threads[i].rng = 88172645463325252ull + (seed * 64 + i) * 7919;
		threads[i].number = i, threads[i].operations = operations;
		for (int k = 0; k < 10; k++)
			next(&threads[i]);
	}
	pthread_t thread[MOST_THREADS + 1];
	for (long i = 1; i <= count; i++)
		if (pthread_create(&thread[i], &attr, work, &threads[i]))
			abort();
	churn(&threads[0], operations / 2);
	if (!strcmp(mode, "nobrk") && // brk does not move into a mapping
	    mmap(sbrk(0), 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		abort();
	if (!strcmp(mode, "foreign") && sbrk(100048) == (void *)-1)
		abort();
	churn(&threads[0], operations / 2);
	pthread_barrier_wait(&worked);
	for (long i = 3; i <= count; i += 4)
		pthread_join(thread[i], NULL);
	for (long i = 1; i <= count; i++) // what others free goes to the bins of their arenas
		for (int k = 0; k < SLOTS; k++)
			if (threads[i].slots[k] && next(&threads[0]) % 8 == 0)
				free(threads[i].slots[k]), threads[i].slots[k] = NULL;
	if (!strcmp(mode, "handed"))
		hand_on();
	if (write(1, "ready 1\n", 8) != 8)
		return 1;
	for (char c, command = 0; read(0, &c, 1) == 1; command = command ? command : c) {
		if (c != '\n')
			continue;
		if (command == 'm')
			churn(&threads[0], operations);
		if (command == 't') {
			struct thread *t = &threads[++count];
			t->rng = 88172645463325252ull + (seed * 64 + count) * 7919;
			t->operations = operations, t->late = 1;
			pthread_barrier_init(&came, NULL, 2);
			if (pthread_create(&thread[count], &attr, work, t))
				abort();
			pthread_barrier_wait(&came);
		}
		print();
		command = c = 0;
	}
}
