"""Calls malloc of libc by ctypes, and never free."""
import ctypes
import time

import truth

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]


def make_handle():
    ctypes.memset(libc.malloc(3000), 1, 3000)
    truth.add(3000)


while True:
    make_handle()
    time.sleep(0.005)
