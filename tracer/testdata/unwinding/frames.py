# SPDX-License-Identifier: Apache-2.0
#
# The same as frames.c for the interpreter and its modules of C.

import ctypes
import ctypes.util
import hashlib
import io
import json
import os
import random
import re
import sys
import threading
import zlib


def recurse(n, f):
    return f() if n == 0 else recurse(n - 1, f)


def compare(a, b):
    bytearray(300000)
    return (a > b) - (a < b)


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
LIBC = ctypes.CDLL(None)


def called_back(a, b):
    bytearray(300000)
    return 0


def work():
    text = json.dumps({str(i): ["x" * (i % 300), i, None] for i in range(3000)})
    json.loads(text)
    json.loads(text, object_hook=lambda d: len(d) > 9 and bytearray(300000) and d)
    for n in (1, 5, 20):
        recurse(n, lambda: bytearray(300000))
    re.compile("|".join("(a%d+)" % i for i in range(60))).findall("a1 a2 " * 1000)
    re.sub("a", lambda m: str(bytearray(300000)[:1]), "banana")
    sorted(range(5), key=lambda i: bytearray(300000))
    io.BytesIO().write(b"x" * 300000)
    zlib.decompress(zlib.compress(b"y" * 400000))
    hashlib.scrypt(b"password", salt=b"salt", n=1024, r=8, p=1)
    eval(compile("+".join(["1"] * 15), "text", "eval"))
    array = (ctypes.c_int * 4)(4, 3, 2, 1)
    LIBC.qsort(array, 4, 4, CALLBACK(called_back))


def llvm():
    # The library is big and its stacks are deep.
    lib = ctypes.CDLL("libLLVM-16.so.1")
    for f in ("LLVMContextCreate", "LLVMModuleCreateWithNameInContext", "LLVMCreateMemoryBufferWithMemoryRangeCopy"):
        getattr(lib, f).restype = ctypes.c_void_p
    ir = "\n".join(
        "define i32 @f%d(i32 %%a) {\n%s\n  ret i32 %%v39\n}" % (
            i, "\n".join("  %%v%d = add i32 %%%s, %d" % (j, "v%d" % (j - 1) if j else "a", j) for j in range(40)))
        for i in range(40)).encode()

    def parse():
        context = ctypes.c_void_p(lib.LLVMContextCreate())
        buffer = ctypes.c_void_p(lib.LLVMCreateMemoryBufferWithMemoryRangeCopy(ir, ctypes.c_size_t(len(ir)), b"ir"))
        module, error = ctypes.c_void_p(), ctypes.c_char_p()
        if lib.LLVMParseIRInContext(context, buffer, ctypes.byref(module), ctypes.byref(error)):
            sys.exit(error.value)
        ctypes.c_char_p(lib.LLVMPrintModuleToString(module) and b"")
        lib.LLVMDisposeModule(module)
        lib.LLVMContextDispose(context)

    return parse


def main():
    jobs = [work]
    if "llvm" in sys.argv:
        jobs = [llvm()]
    for _ in range(3):  # caches fill, code is specialized
        for job in jobs:
            job()
    print("ready", os.getpid(), flush=True)
    for line in sys.stdin:
        for job in jobs:
            job()
            t = threading.Thread(target=job)
            t.start()
            t.join()
        bytearray(0xBEEF000)
        print("done", flush=True)


main()
