// build: gcc -O2 -g
// A cache that was filled before the trace has its entries replaced, and a log leaks.
#include "truth.h"

enum { ENTRIES = 3000 };

SITE void *parse_request(int i) {
	return memset(malloc(200 + i % 64), 1, 200);
}

SITE void append_audit(int i) {
	truth_block(memset(malloc(100), i, 100), 100);
}

SITE void *fill_entry(int i) {
	return memset(malloc(300 + i % 5 * 16), 2, 300);
}

int main(void) {
	static void *entries[ENTRIES];
	for (int i = 0; i < ENTRIES; i++)
		entries[i] = fill_entry(i);
	for (int i = 0;; i++) {
		void *request = parse_request(i);
		if (i % 25 == 0)
			append_audit(i);
		usleep(2000);
		free(request);
		if (i % 7 == 0) {
			void **entry = &entries[i / 7 % ENTRIES];
			free(*entry);
			*entry = fill_entry(i);
		}
	}
}
