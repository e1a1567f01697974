// build: gcc -O1 -fno-builtin
//   large BLOCKS [freed]    has so many blocks of some 100 bytes, or half as many, and prints "ready 1"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
	uint64_t s = 88172645463325252ull;
	void **last = NULL;
	for (long i = 0, n = strtol(argv[1], NULL, 10); i < n; i++) {
		s ^= s << 13, s ^= s >> 7, s ^= s << 17;
		size_t size = 24 + s % 150;
		void **p = memset(malloc(size), (int)i, size);
		p[0] = last;
		if (s % 16)
			last = p;
		else
			free(p);
	}
	for (void **p = argc > 2 ? last : NULL; p && p[0];) {
		void **next = p[0];
		p[0] = next[0];
		free(next);
		p = p[0];
	}
	if (write(1, "ready 1\n", 8) != 8)
		return 1;
	for (;;)
		pause();
}
