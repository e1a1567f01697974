// build: gcc -O2 -g
// A buffer is mapped for each packet, used and forgotten. With an argument it is shared memory.
#include <sys/mman.h>
#include "truth.h"

enum { SIZE = 64 << 10 };

SITE void receive_packet(int kind) {
	memset(mmap(0, SIZE, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0), 1, SIZE);
	truth_add(SIZE, SIZE);
}

int main(int argc, char **argv) {
	for (;;) {
		receive_packet(argc > 1 ? MAP_SHARED : MAP_PRIVATE);
		usleep(50000);
	}
}
