// build: gcc -O2 -g
// An output buffer grows for ever by realloc, and three of four names are never freed.
#include "truth.h"

static char *out;
static size_t used, room;

SITE void push_output(const void *data, size_t n) {
	if (used + n > room) {
		out = realloc(out, room += 32 << 10);
		truth_add(32 << 10, 32 << 10);
	}
	memcpy(out + used, data, n);
	used += n;
}

SITE void note_event(int i) {
	char event[300] = {1};
	char *name = strdup("the name of an event");
	push_output(event, sizeof event);
	if (i % 4 == 0)
		free(name);
	else
		truth_block(name, 21);
}

int main(void) {
	truth_await_trace();
	for (int i = 0;; i++) {
		note_event(i);
		usleep(2000);
	}
}
