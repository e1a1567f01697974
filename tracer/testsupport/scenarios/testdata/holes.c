// build: gcc -O2 -g
// Every second block is freed, which leaves holes that no later block fits into.
#include "truth.h"

SITE void *load_tile(int size) {
	return memset(malloc(size), 1, size);
}

int main(void) {
	for (int round = 0;; round++) {
		int size = 2000 + round * 32;
		void *pair[40];
		for (int i = 0; i < 40; i++)
			pair[i] = load_tile(size);
		for (int i = 0; i < 40; i++)
			if (i % 2)
				free(pair[i]);
			else
				truth_block(pair[i], size);
		usleep(100000);
	}
}
