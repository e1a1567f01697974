// build: gcc -O2 -g -l:libglib-2.0.so.0
// Events are queued and never taken out. GLib is declared here, which spares its headers.
#include "truth.h"

void *g_malloc(size_t), *g_queue_new(void), *g_slice_alloc(size_t);
char *g_strdup(const char *);
void g_queue_push_tail(void *, void *);

static void *queue;

SITE void queue_event(int i) {
	char text[400];
	memset(text, 'a' + i % 26, sizeof text - 1);
	text[sizeof text - 1] = 0;
	char *copy = g_strdup(text);
	truth_block(copy, sizeof text);
	g_queue_push_tail(queue, copy);
	truth_add(24, 24); // the link is a slice
}

int main(void) {
	queue = g_queue_new();
	for (int i = 0;; i++) {
		queue_event(i);
		usleep(2000);
	}
}
