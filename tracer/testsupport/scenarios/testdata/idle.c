// build: gcc -O2 -g
// Does nothing at all.
#include "truth.h"

int main(void) {
	sink = malloc(1000);
	truth_write();
	for (;;)
		pause();
}
