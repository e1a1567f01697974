// build: gcc -O2 -g -pthread
// A thread waits for each client, for ever.
#include <pthread.h>
#include "truth.h"

static void *wait_for_client(void *arg) {
	char request[60000];
	sink = memset(request, 1, sizeof request);
	pause();
	return arg;
}

SITE void accept_client(void) {
	pthread_t thread;
	pthread_create(&thread, 0, wait_for_client, 0);
}

int main(void) {
	for (;;) {
		accept_client();
		truth_add(0, 0);
		usleep(50000);
	}
}
