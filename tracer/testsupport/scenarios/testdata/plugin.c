// build: gcc -O2 -g -shared -fPIC
// A library with a leak, and one that many may load.
#include <stdlib.h>
#include <string.h>

__attribute__((noipa)) void *parser_open(size_t n) {
	return memset(malloc(n), 1, n);
}

__attribute__((noipa)) void *read_archive(size_t n) {
	void *p = parser_open(n);
	((char *)p)[0] = 2;
	return p;
}
