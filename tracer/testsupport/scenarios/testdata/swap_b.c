// build: gcc -g -shared -fPIC
// Is mapped where another library was a moment ago.
#include <stdlib.h>

void *leak_B(void) {
	void *p = malloc(202);
	return p;
}
