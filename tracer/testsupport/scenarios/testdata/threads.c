// build: gcc -O2 -g -pthread
// A hundred threads free all of what they allocate, 14,000 blocks in all.
#include <pthread.h>
#include "truth.h"

static void *churn(void *arg) {
	void *blocks[140];
	for (int i = 0; i < 140; i++)
		blocks[i] = malloc(16 * (i / 7 + 1));
	for (int i = 0; i < 140; i++)
		free(blocks[i]);
	return arg;
}

int main(void) {
	truth_write();
	for (int i = 0; i < 100; i++) {
		pthread_t thread;
		pthread_create(&thread, 0, churn, 0);
		pthread_join(thread, 0);
	}
	return 0;
}
