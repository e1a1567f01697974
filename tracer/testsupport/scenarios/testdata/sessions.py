"""Sessions are kept for ever. json works beside them and keeps nothing."""
import json
import time

import truth

sessions = []


class Session:
    def __init__(self, i):
        self.name = "user-%d" % i
        self.data = {"id": i, "tags": [str(i)] * 3}


def handle(i):
    sessions.append(Session(i))


i = 0
while True:
    handle(i)
    i += 1
    json.loads(json.dumps({"a": [1, 2, 3], "i": i}))
    truth.add(0)
    time.sleep(0.001)
