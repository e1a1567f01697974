# SPDX-License-Identifier: Apache-2.0
#
# For gdb: prints the stack of the attached process at each system call by which
# malloc grows its heaps, innermost frame first, until one maps as much as marks
# the end of the work. A line is
#
#     stack WHOLE ADDRESS:NAME ...
#
# where WHOLE is 1 if gdb saw the outermost frame. Addresses are those behind
# calls, and behind the instruction that a signal interrupted. Frames that only
# the debug data tell of, inlined or left by a jump, are not printed.

import gdb

END_SIZE = 0xBEEF000

gdb.execute("set confirm off")
gdb.execute("set pagination off")
gdb.execute("set backtrace past-main on")
gdb.execute("handle all nostop noprint pass")
gdb.execute("catch syscall mmap brk mprotect")
print("attached", flush=True)
while True:
    gdb.execute("continue", to_string=True)
    if END_SIZE <= int(gdb.parse_and_eval("$rsi")) < END_SIZE + 0x10000:
        break
    if int(gdb.parse_and_eval("(long)$rax")) != -38:  # ENOSYS: the call is still to be made
        continue
    frames = []
    frame = gdb.newest_frame()
    behind = 0
    while frame is not None and frame.is_valid():
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            frames.append("%x:%s" % (frame.pc() + behind, (frame.name() or "?").split("(")[0].replace(" ", "")))
            behind = 1 if frame.type() == gdb.SIGTRAMP_FRAME else 0
        reason = frame.unwind_stop_reason()
        frame = frame.older()
    print("stack", int(reason in (gdb.FRAME_UNWIND_NO_REASON, gdb.FRAME_UNWIND_OUTERMOST)), *frames, flush=True)
gdb.execute("detach")
