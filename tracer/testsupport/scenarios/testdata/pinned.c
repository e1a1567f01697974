// build: gcc -O2 -g
// Images are shrunk to thumbnails where they are. What is free behind each thumbnail is too small
// for the next images, which are a little larger.
#include "truth.h"

SITE void *read_image(int size) {
	return memset(malloc(size), 1, size);
}

SITE void keep_thumbnail(void *image) {
	truth_block(realloc(image, 24), 24);
}

int main(void) {
	for (int round = 0;; round++) {
		void *images[20];
		for (int i = 0; i < 20; i++)
			images[i] = read_image(9000 + round * 64);
		for (int i = 0; i < 20; i++)
			keep_thumbnail(images[i]);
		usleep(100000);
	}
}
