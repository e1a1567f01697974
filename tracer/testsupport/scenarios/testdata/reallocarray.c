// build: gcc -O2 -g
// Twenty blocks of reallocarray stay, ten of them moved.
#include "truth.h"

SITE void *grow_array(void *old) {
	char *p = reallocarray(old, 10, 10);
	*p = 1;
	return p;
}

int main(void) {
	truth_write();
	for (int i = 0; i < 100; i++) {
		sink = malloc(10);
		free(sink);
	}
	for (int i = 0; i < 10; i++)
		sink = grow_array(0);
	for (int i = 0; i < 10; i++) {
		sink = malloc(5);
		sink = grow_array(sink);
	}
	return 0;
}
