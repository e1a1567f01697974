// build: gcc -O2 -g -fno-builtin
// One function leaks by way of two allocators: malloc, and one of the program's own that has a prefix.
#include <sys/mman.h>
#include "truth.h"

static char *room;
static size_t left;
static void *unused; // freed blocks, each with the next one in it

#define BLOCK 1024

SITE void *je_malloc(size_t n) {
	void *p = unused;
	(void)n; // BLOCK bytes at most
	if (p) {
		unused = *(void **)p;
		return p;
	}
	if (left < BLOCK) {
		left = 1 << 20;
		room = mmap(NULL, left, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	left -= BLOCK;
	return room + left;
}

SITE void je_free(void *p) {
	*(void **)p = unused;
	unused = p;
}

SITE void *keep_message(void *(*allocate)(size_t)) {
	return memset(allocate(1000), 1, 1000);
}

SITE void pass_message(void *(*allocate)(size_t), void (*release)(void *)) {
	void *volatile p = memset(allocate(900), 1, 900);
	release(p);
}

int main(void) {
	for (int i = 0;; i++) {
		pass_message(malloc, free);
		pass_message(je_malloc, je_free);
		if (i % 4 == 0) {
			keep_message(malloc);
			truth_add(1000, 1008);
		}
		if (i % 2 == 0) {
			keep_message(je_malloc);
			truth_add(1000, BLOCK);
		}
		usleep(1000);
	}
}
