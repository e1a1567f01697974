// SPDX-License-Identifier: Apache-2.0
/*
 * A small server with a leak, for "make demo". Each request makes a session,
 * and requests with an odd number forget to end it. A cache is filled once and
 * then stays as it is. A log buffer comes and goes.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEEP __attribute__((noinline))

struct session {
	char user[96];
	char *history;
};

static void *cache[64];

KEEP struct session *make_session(int request)
{
	struct session *s = malloc(sizeof(*s));

	memset(s->user, 'a' + request % 26, sizeof(s->user));
	s->history = calloc(16, 64);
	return s;
}

KEEP void end_session(struct session *s)
{
	free(s->history);
	free(s);
}

KEEP void fill_cache(int request)
{
	int slot = request % 64;

	if (!cache[slot])
		cache[slot] = malloc(2048);
}

KEEP void write_log(int request)
{
	char *line = malloc(128 + request % 512);

	line[0] = 0;
	free(line);
}

KEEP void handle_request(int request)
{
	struct session *s = make_session(request);

	fill_cache(request);
	write_log(request);
	if (request % 2 == 0)
		end_session(s);
}

int main(void)
{
	for (int request = 0;; request++) {
		handle_request(request);
		usleep(1000);
	}
}
