// build: gcc -O2 -g
// Sessions are never closed. All are in a list and are counted again and again.
#include "truth.h"

struct session {
	struct session *next;
	long seen;
	char data[3000];
};

static struct session *sessions;

SITE void open_session(void) {
	struct session *s = memset(malloc(sizeof *s), 1, sizeof *s);
	s->next = sessions;
	sessions = s;
	truth_block(s, sizeof *s);
}

SITE void visit_sessions(void) {
	for (struct session *s = sessions; s; s = s->next)
		s->seen++;
}

int main(void) {
	for (;;) {
		open_session();
		visit_sessions();
		usleep(5000);
	}
}
