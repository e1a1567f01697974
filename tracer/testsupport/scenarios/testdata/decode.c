// build: gcc -O2 -g
// Every second frame that is decoded is never freed.
#include "truth.h"

SITE void *decode_frame(int n) {
	return memset(malloc(n), 1, n);
}

int main(void) {
	for (int i = 0;; i++) {
		int n = 20000 + i % 7 * 3000;
		void *p = decode_frame(n);
		if (i % 2)
			free(p);
		else
			truth_block(p, n);
		usleep(5000);
	}
}
