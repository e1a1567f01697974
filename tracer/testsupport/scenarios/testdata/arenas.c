// build: gcc -O2 -g -pthread
// Nothing leaks: ever more of 16 threads handle requests, and each one's arena keeps what it had at
// its peak, held together by a few answers that are remembered for a while.
#include <pthread.h>
#include "truth.h"

enum { REMEMBERED = 100, MOST = 1500 };

static void *remembered[REMEMBERED];
static int oldest;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

SITE void remember_answer(void *answer) {
	pthread_mutex_lock(&lock);
	void *old = remembered[oldest];
	remembered[oldest] = answer;
	oldest = (oldest + 1) % REMEMBERED;
	pthread_mutex_unlock(&lock);
	free(old);
}

SITE void handle_request(unsigned *seed) {
	void *parts[MOST];
	int n = MOST / 2 + rand_r(seed) % (MOST / 2);
	for (int i = 0; i < n; i++) {
		int size = 1000 + rand_r(seed) % 3000;
		parts[i] = memset(malloc(size), 1, size);
	}
	for (int i = 0; i < n; i++)
		if (i % 100 == 99)
			remember_answer(parts[i]);
		else
			free(parts[i]);
}

static void *work(void *arg) {
	unsigned seed = (long)arg;
	volatile char stack[MOST * 20]; // all that it will need, so that this does not grow
	memset((void *)stack, 1, sizeof(stack));
	usleep(600000 * (seed - 1));
	for (;;) {
		handle_request(&seed);
		usleep(500000 + rand_r(&seed) % 500000);
	}
}

int main(void) {
	pthread_t thread;
	for (long i = 0; i < 16; i++)
		pthread_create(&thread, 0, work, (void *)(i + 1));
	for (;;) {
		truth_add(0, 0);
		usleep(100000);
	}
}
