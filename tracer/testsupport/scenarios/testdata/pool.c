// build: gcc -O2 -g -pthread
// Four threads of a pool leak, each in an arena of its own.
#include <pthread.h>
#include "truth.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

SITE void handle_job(int i) {
	int n = 1000 + i % 16 * 8;
	void *p = memset(malloc(n), 1, n);
	pthread_mutex_lock(&lock);
	truth_block(p, n);
	pthread_mutex_unlock(&lock);
}

static void *work(void *arg) {
	for (int i = 0;; i++) {
		handle_job(i);
		usleep(8000);
	}
	return arg;
}

int main(void) {
	pthread_t thread;
	for (int i = 0; i < 4; i++)
		pthread_create(&thread, 0, work, 0);
	pause();
}
