// build: gcc -O1 -fno-builtin -pthread
//   heaps    has a thread with small blocks in two heaps, of which it frees half, by turns from either
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 1000000 };

static void *blocks[BLOCKS];

static void *work(void *arg) {
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = memset(malloc(88), 1, 88);
	for (int i = 0; i < BLOCKS / 2; i += 2) {
		free(blocks[i]);
		free(blocks[BLOCKS - 1 - i]);
	}
	if (write(1, "ready 1\n", 8) != 8)
		exit(1);
	for (;;)
		pause();
}

int main(void) {
	pthread_t thread;
	if (pthread_create(&thread, NULL, work, NULL))
		return 1;
	pthread_join(thread, NULL);
	return 0;
}
