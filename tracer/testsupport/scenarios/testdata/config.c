// build: gcc -O2 -g
// Loads its configuration, works, and ends without having freed it.
#include "truth.h"

SITE void load_config(void) {
	for (int i = 0; i < 200; i++)
		sink = memset(malloc(500), 1, 500);
}

int main(void) {
	truth_write();
	load_config();
	for (int i = 0; i < 40; i++) {
		sink = malloc(3000);
		usleep(50000);
		free(sink);
	}
	return 0;
}
