// build: gcc -g -shared -fPIC
// Is mapped where another library was a moment ago.
#include <stdlib.h>

void *leak_A(void) {
	void *p = malloc(101);
	return p;
}
