// build: gcc -O2 -g
// So many calls that tracing each would cost too much, and a leak among them.
#include "truth.h"

SITE void *parse_message(int n) {
	char *p = malloc(n);
	*p = 1;
	return p;
}

SITE void keep_result(int n) {
	truth_block(memset(malloc(n), 1, n), n);
}

int main(void) {
	for (unsigned i = 0;; i++) {
		free(parse_message(64 + i % 512));
		if (i % 500 == 0) {
			keep_result(8000);
			usleep(2000);
		}
	}
}
