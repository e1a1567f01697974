// build: gcc -O1 -g -pthread
// SPDX-License-Identifier: Apache-2.0
/* A process with children that do as they are told. Each line of input is a request, and each
   is answered by a line when it is done:
     fork N          fork N children; answers with their pids
     grow I BYTES    child I takes that much memory
     touch I         child I writes to all that it shares with its parent
     exec I          child I executes this program again
     nest I          child I forks a child, which grows with it; answers with its pid
     leave           all children end, and nobody asks for their exit status
     end             all children end, and are waited for
     threads N       N threads start, and wait
     join            the threads end
   Children are counted from 0, since the last end. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 1000, SHARED = 8 << 20 };

static char *shared;
static struct { pid_t pid; int in; } children[MOST];
static int n, answers[2];

struct request { char what; long bytes; };

static void take(long bytes)
{
	if (bytes > 0)
		memset(mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, bytes);
}

static void answer(int out, long value)
{
	if (write(out, &value, sizeof value) != sizeof value)
		_exit(1);
}

static void child(int in, int out, const char *self)
{
	struct request r;
	pid_t nested = 0;
	int pipes[2];
	while (read(in, &r, sizeof r) == sizeof r) {
		switch (r.what) {
		case 'g':
			take(r.bytes);
			if (nested && write(pipes[1], &r, sizeof r) != sizeof r)
				_exit(1);
			if (nested)
				continue; /* the nested one answers */
			break;
		case 't':
			memset(shared, 2, SHARED);
			break;
		case 'e': {
			char a[20], b[20];
			sprintf(a, "%d", in);
			sprintf(b, "%d", out);
			execl(self, "again", a, b, (char *)0);
			_exit(1);
		}
		case 'n':
			if (pipe(pipes))
				_exit(1);
			if (!(nested = fork())) {
				close(pipes[1]);
				answer(out, getpid());
				child(pipes[0], out, self);
			}
			continue; /* the nested one answers */
		}
		answer(out, 0);
	}
	_exit(0);
}

static long answered(void)
{
	long value;
	if (read(answers[0], &value, sizeof value) != sizeof value)
		exit(1);
	return value;
}

static void start(const char *self)
{
	int pipes[2];
	if (pipe(pipes))
		exit(1);
	pid_t pid = fork();
	if (!pid) {
		close(pipes[1]);
		for (int i = 0; i < n; i++)
			close(children[i].in);
		answer(answers[1], getpid());
		child(pipes[0], answers[1], self);
	}
	close(pipes[0]);
	answered(); /* it runs */
	children[n].pid = pid;
	children[n++].in = pipes[1];
	printf(" %d", pid);
}

static long ask(int i, char what, long bytes)
{
	struct request r = { what, bytes };
	if (write(children[i].in, &r, sizeof r) != sizeof r)
		exit(1);
	return answered();
}

static pthread_mutex_t waiting = PTHREAD_MUTEX_INITIALIZER;

static void *wait_for_join(void *unused)
{
	pthread_mutex_lock(&waiting);
	pthread_mutex_unlock(&waiting);
	return unused;
}

int main(int argc, char **argv)
{
	static pthread_t threads[MOST];
	char line[100], what[20];
	int running = 0;
	if (argc == 3) {
		answer(atoi(argv[2]), 0);
		child(atoi(argv[1]), atoi(argv[2]), "/proc/self/exe");
	}
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* for what is taken to be what was asked for */
	setvbuf(stdout, 0, _IOFBF, 1 << 16);
	shared = mmap(0, SHARED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(shared, 1, SHARED);
	if (pipe(answers))
		return 1;
	pthread_mutex_lock(&waiting);
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		long a = 0, b = 0;
		sscanf(line, "%19s %ld %ld", what, &a, &b);
		printf("%s", what);
		if (!strcmp(what, "fork"))
			while (a-- > 0)
				start("/proc/self/exe");
		else if (!strcmp(what, "grow") || !strcmp(what, "touch") || !strcmp(what, "exec"))
			ask(a, what[0], b);
		else if (!strcmp(what, "nest"))
			printf(" %ld", ask(a, 'n', 0));
		else if (!strcmp(what, "leave") || !strcmp(what, "end")) {
			int options = WEXITED | (strcmp(what, "end") ? WNOWAIT : 0);
			for (int i = 0; i < n; i++) {
				if (children[i].in >= 0)
					close(children[i].in);
				children[i].in = -1;
			}
			for (int i = 0; i < n; i++)
				waitid(P_PID, children[i].pid, 0, options);
			if (!(options & WNOWAIT))
				n = 0;
		} else if (!strcmp(what, "threads"))
			while (a-- > 0)
				pthread_create(&threads[running++], 0, wait_for_join, 0);
		else if (!strcmp(what, "join")) {
			pthread_mutex_unlock(&waiting);
			while (running > 0)
				pthread_join(threads[--running], 0);
			pthread_mutex_lock(&waiting);
		}
		printf("\n");
		fflush(stdout);
	}
	return 0;
}
