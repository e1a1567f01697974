// build: gcc -O2 -g -fomit-frame-pointer -shared -fPIC
// Allocates from the first moment on, in frames that only unwind tables tell of.
#include <stdlib.h>

#define SITE __attribute__((noipa))

SITE void *step_3(int n) {
	char room[200];
	room[n] = 1;
	void *p = malloc(77 + room[n] * 0);
	__asm__ volatile("" ::"r"(room) : "memory");
	return p;
}

SITE void *step_2(int n) {
	volatile char room[100];
	room[n] = 2;
	void *p = step_3(n);
	room[0] = 3;
	return p;
}

SITE void *step_1(int n) {
	volatile char room[60];
	room[n] = 2;
	void *p = step_2(n);
	room[0] = 3;
	return p;
}
