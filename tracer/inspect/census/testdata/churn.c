// build: gcc -O1 -fno-builtin -pthread
// Churns on several threads, beside blocks that stay.
//
//   churn THREADS
//
// Each thread first allocates blocks that stay, among others that it then frees. Prints "ready 1"
// when all threads churn, then the lines "ADDRESS USABLE" of the blocks that stay and "done". With
// each further line of input it prints "calls N" and "blocks N": how many calls were made so far and
// how many blocks there are.
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_THREADS = 64, STAY = 20000, SLOTS = 400 };

static struct thread {
	void *stay[STAY], *slots[SLOTS];
	volatile long calls, held;
	char pad[128];
} *threads;
static pthread_barrier_t ready;

static uint64_t next(uint64_t *s) {
	uint64_t x = *s;
	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return *s = x;
}

static void *work(void *arg) {
	struct thread *t = arg;
	uint64_t s = 88172645463325252ull + (t - threads) * 7919;
	long held = 0;
	for (int i = 0; i < STAY; i++) {
		t->stay[i] = malloc(16 + next(&s) % 400);
		memset(t->stay[i], 7, 16);
		if (i % 3 == 0 && !t->slots[i % SLOTS])
			t->slots[i % SLOTS] = malloc(next(&s) % 3000), held++;
	}
	pthread_barrier_wait(&ready);
	for (long n = 0;; n++) {
		void **slot = &t->slots[next(&s) % SLOTS];
		if (*slot) {
			free(*slot);
			*slot = NULL;
			held--;
		} else {
			size_t size = 16 + next(&s) % (next(&s) % 32 ? 300 : 8000);
			*slot = malloc(size);
			memset(*slot, (int)n, size < 64 ? size : 64);
			held++;
		}
		t->calls = n;
		t->held = held;
	}
}

static void say(char *text, size_t n) {
	for (size_t at = 0; at < n;) {
		ssize_t wrote = write(1, text + at, n - at);
		if (wrote <= 0)
			_exit(1);
		at += wrote;
	}
}

int main(int argc, char **argv) {
	long count = strtol(argv[1], NULL, 10);
	char *out = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	threads = mmap(NULL, sizeof(struct thread) * MOST_THREADS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrier_init(&ready, NULL, count + 1);
	for (long i = 0; i < count; i++) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, work, &threads[i]))
			abort();
	}
	pthread_barrier_wait(&ready);
	size_t n = sprintf(out, "ready 1\n");
	for (long i = 0; i < count; i++)
		for (int k = 0; k < STAY; k++)
			n += sprintf(out + n, "%lu %lu\n", (unsigned long)threads[i].stay[k], (unsigned long)malloc_usable_size(threads[i].stay[k]));
	n += sprintf(out + n, "done\n");
	say(out, n);
	for (char c; read(0, &c, 1) == 1;) {
		if (c != '\n')
			continue;
		long calls = 0, blocks = count * STAY + count; // and a block of the dynamic linker for each thread
		for (long i = 0; i < count; i++)
			calls += threads[i].calls, blocks += threads[i].held;
		say(out, sprintf(out, "calls %ld\nblocks %ld\n", calls, blocks));
	}
}
