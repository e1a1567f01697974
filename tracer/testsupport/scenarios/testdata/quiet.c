// build: gcc -O2 -g
// Grew at once by 50 MB and has been quiet since.
#include "truth.h"

SITE void load_dictionary(void) {
	for (int i = 0; i < 50000; i++)
		sink = memset(malloc(1000), 1, 1000);
}

int main(void) {
	load_dictionary();
	for (;;) {
		truth_add(0, 0);
		sink = malloc(500);
		usleep(20000);
		free(sink);
	}
}
