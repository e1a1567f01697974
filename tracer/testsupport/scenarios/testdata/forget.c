// build: gcc -O2 -g
// A buffer is mapped for each packet, used and forgotten.
#include <sys/mman.h>
#include "truth.h"

enum { SIZE = 64 << 10 };

SITE void receive_packet(void) {
	memset(mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, SIZE);
	truth_add(SIZE, SIZE);
}

int main(void) {
	for (;;) {
		receive_packet();
		usleep(50000);
	}
}
