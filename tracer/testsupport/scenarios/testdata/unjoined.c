// build: gcc -O2 -g -pthread
// A joinable thread plays each tone and ends. Nobody joins it.
#include <pthread.h>
#include "truth.h"

struct tone {
	pthread_t thread;
	char pcm[320];
};

static void *play(void *arg) {
	char samples[60000];
	memset(samples, 1, sizeof samples);
	((struct tone *)arg)->pcm[0] = samples[(long)arg & 7];
	return 0;
}

SITE void play_tone(void) {
	struct tone *t = malloc(sizeof *t);
	pthread_create(&t->thread, 0, play, t);
	usleep(20000);
	free(t);
}

int main(void) {
	for (;;) {
		play_tone();
		truth_add(0, 0);
		usleep(80000);
	}
}
