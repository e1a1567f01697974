// build: gcc -O2 -g
// Blocks of the size that is given, far below the smallest chunk.
#include "truth.h"

SITE void keep_flag(size_t n) {
	char *p = malloc(n);
	*p = 1;
	truth_block(p, n);
}

int main(int argc, char **argv) {
	for (;;) {
		for (int i = 0; i < 100; i++)
			keep_flag(argc > 1 ? atoi(argv[1]) : 1);
		usleep(10000);
	}
}
