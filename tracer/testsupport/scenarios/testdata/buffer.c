// build: gcc -O2 -g
// A log is kept in one buffer that is made a little larger for each line.
#include "truth.h"

static char *text;
static size_t length;

SITE void append_line(size_t n) {
	text = realloc(text, length + n);
	memset(text + length, 'x', n);
	length += n;
	truth_add(n, n);
}

int main(void) {
	truth_await_trace();
	for (;;) {
		append_line(1000);
		usleep(5000);
	}
}
