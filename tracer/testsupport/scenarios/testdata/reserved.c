// build: gcc -O2 -g -pthread
// Threads get arenas of their own by a free, and a range may be reserved. Beside that there is
// a small leak.
#include <pthread.h>
#include <sys/mman.h>
#include "truth.h"

static void *consume(void *block) {
	sleep(3);
	free(block);
	pause();
	return 0;
}

SITE void append_record(void) {
	truth_block(memset(malloc(1000), 1, 1000), 1000);
}

SITE void reserve_range(void) {
	sink = mmap(0, 8L << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

int main(int argc, char **argv) {
	pthread_t thread;
	for (int i = 0; i < 4; i++)
		pthread_create(&thread, 0, consume, malloc(100));
	for (int i = 0;; i++) {
		if (i == 150 && argc > 1)
			reserve_range();
		append_record();
		usleep(20000);
	}
}
