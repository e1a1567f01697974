"""A list of byte strings grows, each too large for the pools of Python's own allocator."""
import time

import truth

pages = []


def fetch_page(i):
    pages.append(bytes([i % 256]) * 4000)
    truth.add(4033)


i = 0
while True:
    fetch_page(i)
    i += 1
    time.sleep(0.005)
