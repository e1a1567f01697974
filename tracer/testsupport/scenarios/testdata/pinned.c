// build: gcc -O2 -g
// Large blocks are freed, but a small one that stays after each keeps their memory apart, and
// the next ones are a little larger.
#include "truth.h"

SITE void *read_image(int size) {
	return memset(malloc(size), 1, size);
}

SITE void keep_thumbnail(void) {
	truth_block(memset(malloc(24), 1, 24), 24);
}

int main(void) {
	for (int round = 0;; round++) {
		void *images[20];
		for (int i = 0; i < 20; i++) {
			images[i] = read_image(9000 + round * 64);
			keep_thumbnail();
		}
		for (int i = 0; i < 20; i++)
			free(images[i]);
		usleep(100000);
	}
}
