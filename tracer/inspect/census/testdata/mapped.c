// build: gcc -O1 -fno-builtin -pthread
// Has blocks with mappings of their own next to other mappings of the same kind, which the kernel
// makes one of: threads' stacks, and memory that is none of malloc's.
//
//   mapped BLOCKS      prints "ready 1", then with each line of input its blocks and "done"
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST = 65536 };
static void *blocks[MOST];

static void *work(void *arg) {
	for (;;)
		pause();
}

int main(int argc, char **argv) {
	long count = strtol(argv[1], NULL, 10);
	char *out = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mallopt(M_MMAP_THRESHOLD, 4096);
	mallopt(M_MMAP_MAX, MOST);
	for (long i = 0; i < count; i++) {
		blocks[i] = i % 7 == 0 ? memalign(32ul << i % 13, 5000 + i) : malloc(4080 + i * 5 % 9000);
		if (i % 3)
			memset(blocks[i], (int)i, 100);
		if (i % 100 == 50) {
			char *other = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (i % 200 == 50)
				memset(other, 1, 12288);
		}
		if (i % 11 == 0)
			blocks[i] = realloc(blocks[i], 9000 + i % 50000);
		if (i % 1000 == 500) {
			pthread_t thread;
			pthread_attr_t attr;
			pthread_attr_init(&attr);
			pthread_attr_setguardsize(&attr, 0);
			pthread_attr_setstacksize(&attr, 64 << 10);
			if (pthread_create(&thread, &attr, work, NULL))
				abort();
		}
	}
	for (long i = 0; i < count; i += 5)
		free(blocks[i]), blocks[i] = NULL;
	if (write(1, "ready 1\n", 8) != 8)
		return 1;
	for (char c; read(0, &c, 1) == 1;) {
		if (c != '\n')
			continue;
		size_t n = 0;
		for (long i = 0; i < count; i++)
			if (blocks[i])
				n += sprintf(out + n, "%lu %lu\n", (unsigned long)blocks[i], (unsigned long)malloc_usable_size(blocks[i]));
		n += sprintf(out + n, "done\n");
		for (size_t at = 0; at < n;) {
			ssize_t wrote = write(1, out + at, n - at);
			if (wrote <= 0)
				_exit(1);
			at += wrote;
		}
	}
}
