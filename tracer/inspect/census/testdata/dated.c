// build: gcc -O1 -fno-builtin -pthread
// Has many free chunks in lists, which take long to read, and a thread that allocates a block each
// millisecond or so that says when.
//
//   dated CHUNKS
//
// Prints "ready 1" once it has freed all chunks and allocates. A block has the word 0xda7ed and the
// time since 1970 in nanoseconds.
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void **all;

static void *allocate(void *unused) {
	for (;;) {
		uint64_t *block = malloc(40);
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		block[1] = now.tv_sec * 1000000000ull + now.tv_nsec;
		block[0] = 0xda7ed;
		usleep(1000);
	}
	return unused;
}

int main(int argc, char **argv) {
	long n = argc > 1 ? atol(argv[1]) : 1;
	all = calloc(n, sizeof *all);
	for (long i = 0; i < n; i++) all[i] = malloc(24);
	void *last = malloc(24);
	for (long i = 0; i < n; i++) free(all[i]);
	pthread_t thread;
	if (!last || pthread_create(&thread, NULL, allocate, NULL)) return 1;
	// The buffers of stdio are so large that malloc would empty the fastbins for them.
	if (write(1, "ready 1\n", 8) != 8) return 1;
	for (char c; read(0, &c, 1) == 1;) {}
	return 0;
}
