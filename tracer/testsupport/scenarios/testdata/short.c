// build: gcc -O2 -g
// Leaks for four seconds and ends.
#include "truth.h"

SITE void read_row(void) {
	truth_block(memset(malloc(5000), 1, 5000), 5000);
}

int main(void) {
	for (int i = 0; i < 200; i++) {
		read_row();
		usleep(20000);
	}
	truth_write();
	return 0;
}
