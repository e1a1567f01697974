// build: gcc -O2 -g
// One block leaks each second, among many that do not.
#include "truth.h"

SITE void poll_sensor(void) {
	truth_block(memset(malloc(3000), 1, 3000), 3000);
}

SITE void draw_screen(void) {
	sink = malloc(5000);
	usleep(10000);
	free(sink);
	truth_add(0, 0);
}

int main(void) {
	for (;;) {
		poll_sensor();
		for (int i = 0; i < 100; i++)
			draw_screen();
	}
}
