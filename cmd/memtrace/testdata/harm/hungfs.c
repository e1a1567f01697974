// build: gcc -g -O2 -Wall
// hungfs FOLDER FILE PROGRAM ARGS...: runs a program in a mount namespace of its own. On
// FOLDER there is a file system (FUSE) with one file, "file", which has FILE's contents.
// After the line "hang" on standard input the server still takes requests, but answers none.
// The end of standard input ends the program. When the server has ended too, the kernel
// releases whoever waits for it.
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOT = 1, LEAF = 2, PIECE = 128 << 10 };

static char request[PIECE + (64 << 10)] __attribute__((aligned(8)));
static int device, served;
static struct stat content;

static void reply(int error, const void *data, size_t size)
{
	static char answer[sizeof(struct fuse_out_header) + PIECE];
	struct fuse_out_header head = {
		.len = sizeof(head) + size,
		.error = error,
		.unique = ((struct fuse_in_header *)request)->unique,
	};

	memcpy(answer, &head, sizeof(head));
	memcpy(answer + sizeof(head), data, size);
	// ENOENT: the request was interrupted and needs no answer any more.
	if (write(device, answer, head.len) < 0 && errno != ENOENT)
		err(1, "answer");
}

static void describe(struct fuse_attr *a, uint64_t node)
{
	memset(a, 0, sizeof(*a));
	a->ino = node;
	a->mode = node == ROOT ? S_IFDIR | 0755 : S_IFREG | 0755;
	a->nlink = 1;
	a->size = node == ROOT ? 0 : content.st_size;
	a->blksize = 4096;
}

static void answer_read(const struct fuse_read_in *in)
{
	static char data[PIECE];
	ssize_t n = pread(served, data, in->size < PIECE ? in->size : PIECE, in->offset);

	reply(n < 0 ? -errno : 0, data, n < 0 ? 0 : n);
}

// The kernel may not cache attributes and names, so every look at the file comes here.
static void answer(void)
{
	struct fuse_in_header *head = (void *)request;
	struct fuse_init_out init = { .major = 7, .minor = 31, .max_readahead = PIECE, .max_write = 4096 };
	struct fuse_entry_out entry = { .nodeid = LEAF };
	struct fuse_attr_out attributes = { 0 };
	struct fuse_open_out opened = { 0 };

	switch (head->opcode) {
	case FUSE_INIT:
		reply(0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		describe(&entry.attr, LEAF);
		if (strcmp((char *)(head + 1), "file"))
			reply(-ENOENT, NULL, 0);
		else
			reply(0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		describe(&attributes.attr, head->nodeid);
		reply(0, &attributes, sizeof(attributes));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		reply(0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
		answer_read((void *)(head + 1));
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		reply(0, NULL, 0);
		break;
	case FUSE_INTERRUPT:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		break;
	default:
		reply(-ENOSYS, NULL, 0);
	}
}

static void serve(pid_t program)
{
	int hanging = 0;
	char line[64];

	for (;;) {
		struct pollfd ready[] = { { .fd = device, .events = POLLIN }, { .fd = 0, .events = POLLIN } };

		if (poll(ready, 2, -1) < 0)
			err(1, "poll");
		if (ready[1].revents) {
			ssize_t n = read(0, line, sizeof(line));
			if (n <= 0)
				break;
			hanging |= line[0] == 'h';
		}
		if (ready[0].revents && read(device, request, sizeof(request)) > 0 && !hanging)
			answer();
	}
	kill(program, SIGKILL);
}

int main(int argc, char **argv)
{
	char options[64];

	if (argc < 4)
		errx(2, "usage: hungfs FOLDER FILE PROGRAM ARGS...");
	served = open(argv[2], O_RDONLY | O_CLOEXEC);
	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (served < 0 || fstat(served, &content) || device < 0)
		err(1, "open %s and /dev/fuse", argv[2]);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		err(1, "unshare");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
	if (mount("hungfs", argv[1], "fuse", MS_NOSUID | MS_NODEV, options))
		err(1, "mount");
	pid_t program = fork();
	if (program == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(argv[3], argv + 3);
		err(1, "%s", argv[3]);
	}
	serve(program);
	return 0;
}
