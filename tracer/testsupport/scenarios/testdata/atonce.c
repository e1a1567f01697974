// build: gcc -O2 -g -fomit-frame-pointer -ldl
// Calls a library that leaks as soon as it is loaded, 300 times within 30 ms.
#include <dlfcn.h>
#include "truth.h"

int main(int argc, char **argv) {
	truth_write();
	usleep(500000);
	void *(*step)(int) = dlsym(dlopen(argv[argc - 1], RTLD_NOW), "step_1");
	for (int i = 0; i < 300; i++) {
		sink = step(1);
		usleep(100);
	}
	usleep(500000);
	return 0;
}
