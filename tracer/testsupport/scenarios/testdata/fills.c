// build: gcc -O2 -g
// A cache is filled for the first four seconds of the trace and is full then.
#include "truth.h"

SITE void *fill_slot(void) {
	return memset(malloc(2000), 1, 2000);
}

int main(void) {
	static void *slots[2000];
	truth_await_trace();
	for (int i = 0;; i++) {
		if (i < 2000)
			slots[i] = fill_slot();
		truth_add(0, 0);
		usleep(2000);
	}
}
