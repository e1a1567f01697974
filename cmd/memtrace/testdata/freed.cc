// build: g++ -O1 -g -fno-inline -fno-optimize-sibling-calls -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Programs that forget to free in one of several places. The argument says which.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int step;

// "timeout": sessions and buffers end at an end of file or a timeout, which forgets the session.
static char *make_session(void) { return (char *)malloc(200); }
static char *make_buffer(void) { return (char *)malloc(1000); }
static void session_close(char *p) { free(p); }
static void buffer_drop(char *p) { free(p); }

static void on_eof(char *session, char *buffer)
{
    buffer_drop(buffer);
    session_close(session);
}

static void on_timeout(char *session, char *buffer)
{
    (void)session;
    buffer_drop(buffer);
}

static void dispatch(char *session, char *buffer)
{
    if (step % 4 == 0)
        on_timeout(session, buffer);
    else
        on_eof(session, buffer);
}

static void timeout(void)
{
    char *session = make_session(), *buffer = make_buffer();

    dispatch(session, buffer);
}

// "caller": replies are freed once they were sent, but not those to errors.
static char *make_reply(void) { return (char *)malloc(300); }
static void send_reply(char *p) { free(p); }
static void reply_well(void) { send_reply(make_reply()); }
static void reply_error(void) { memset(make_reply(), 0, 300); }

static void caller(void)
{
    if (step % 4)
        reply_well();
    else
        reply_error();
}

// "error": a node is freed at the end of the function, which returns early on errors.
static void free_node(void *p) { free(p); }
static bool check(const char *text) { return text[0] != '!'; }

static int parse(const char *text)
{
    char *node = (char *)malloc(150);

    strcpy(node, text);
    if (!check(node))
        return -1;
    free_node(node);
    return 0;
}

static void error(void) { parse(step % 4 ? "value" : "!value"); }

// "class": one destructor forgets what both classes have.
static char *new_key(void) { return new char[400]; }

struct Plain {
    char *key = new_key();
    ~Plain() { delete[] key; }
};

struct Secure {
    char *key = new_key();
    ~Secure() {}
};

static void serve_plain(void) { Plain p; }
static void serve_secure(void) { Secure s; }

static void classes(void)
{
    if (step % 4)
        serve_plain();
    else
        serve_secure();
}

// "cache": of eleven entries nine are dropped one by one, one by a reload, and one never.
static char *put_entry(void) { return (char *)malloc(250); }
static void drop_entry(char *p) { free(p); }
static void sweep(char *p) { drop_entry(p); }
static void reload(char *p) { drop_entry(p); }

static void cache(void)
{
    int i;

    for (i = 0; i < 11; i++) {
        char *p = put_entry();

        if (i == 5)
            reload(p);
        else if (i != 7)
            sweep(p);
    }
}

// "consumer": messages go to a thread that only frees, and forgets some.
static int pipes[2];
static char *make_message(void) { return (char *)malloc(350); }
static void done_with(char *p) { free(p); }

static void *consume(void *)
{
    char *p;

    while (read(pipes[0], &p, sizeof p) == sizeof p)
        if (rand() % 4)
            done_with(p);
    return NULL;
}

static void consumer(void)
{
    char *p = make_message();

    if (write(pipes[1], &p, sizeof p) != sizeof p)
        exit(1);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } programs[] = {
        { "timeout", timeout }, { "caller", caller }, { "error", error }, { "class", classes }, { "cache", cache },
        { "consumer", consumer },
    };
    int pause = argc > 2 ? atoi(argv[2]) : 1000;

    pthread_t thread;

    if (pipe(pipes) != 0 || pthread_create(&thread, NULL, consume, NULL) != 0)
        return 1;
    printf("ready %d\n", getpid());
    fflush(stdout);
    for (auto &p : programs)
        if (argc > 1 && strcmp(argv[1], p.name) == 0)
            for (;; step++) {
                p.run();
                if (pause > 0)
                    usleep(pause);
                else if (step % 20 == 0)
                    usleep(1);
            }
    return 1;
}
