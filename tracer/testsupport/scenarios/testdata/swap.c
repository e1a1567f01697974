// build: gcc -O2 -g -ldl
// Loads two libraries in turn, ten times in all. Each leaks a block and is unloaded again.
#include <dlfcn.h>
#include "truth.h"

int main(int argc, char **argv) {
	truth_write();
	usleep(300000);
	for (int i = 0; i < 10; i++) {
		void *library = dlopen(argv[1 + i % 2], RTLD_NOW);
		void *(*leak)(void) = dlsym(library, i % 2 ? "leak_B" : "leak_A");
		leak();
		usleep(i < 8 ? 100000 : 10);
		dlclose(library);
	}
	usleep(300000);
	return argc > 2 ? 0 : 1;
}
