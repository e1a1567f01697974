// build: gcc -O2 -g
// Twenty functions that main calls leak alike.
#include "truth.h"

#define FIELD(n) SITE void field_##n(void) { truth_block(memset(malloc(200 + n), n, 200 + n), 200 + n); }
#define ALL(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20)
#define CALL(n) field_##n();
ALL(FIELD)

int main(void) {
	for (;;) {
		ALL(CALL)
		for (int i = 0; i < 100; i++) {
			sink = malloc(50 + i);
			free(sink);
		}
		usleep(10000);
	}
}
