// build: gcc -O2 -g
// Requests come in bursts, as many and as often as is given (how many, microseconds apart).
// Each leaks once, beside 30 blocks that are freed.
#include "truth.h"

SITE void leak_session(void) {
	truth_block(memset(malloc(100), 1, 100), 100);
}

SITE void serve_request(void) {
	for (int i = 0; i < 30; i++) {
		sink = malloc(64 + i);
		free(sink);
	}
}

int main(int argc, char **argv) {
	int requests = argc > 2 ? atoi(argv[1]) : 2000, pause = argc > 2 ? atoi(argv[2]) : 100000;
	for (;;) {
		for (int i = 0; i < requests; i++) {
			serve_request();
			leak_session();
		}
		usleep(pause);
	}
}
