"""A program's own account of what it leaks, as truth.h has it."""
import os
import time

_out = open(os.environ["TRUTH"], "ab", buffering=0)
_asked = _next = 0


def add(n):
    global _asked, _next
    _asked += n
    now = time.time_ns()
    if now >= _next:
        _out.write(b"%d %d %d %d\n" % (now, os.getpid(), _asked, _asked))
        _next = now + 100_000_000
