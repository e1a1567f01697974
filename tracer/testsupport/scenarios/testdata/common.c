// build: gcc -O2 -g
// Twenty sites leak, all on behalf of parse_document, which two functions call.
#include "truth.h"

#define NODE(n) SITE void make_node_##n(void) { truth_block(memset(malloc(100 + n * 16), n, 100), 100 + n * 16); }
#define ALL(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20)
#define CALL(n) make_node_##n();
ALL(NODE)

SITE void parse_document(void) {
	ALL(CALL)
	sink = 0; // no call is the last thing, so that each leaves a frame
}

SITE void on_upload(void) {
	parse_document();
	sink = 0;
}

SITE void on_reload(void) {
	parse_document();
	sink = 0;
}

int main(void) {
	for (int i = 0;; i++) {
		if (i % 2)
			on_upload();
		else
			on_reload();
		usleep(10000);
	}
}
