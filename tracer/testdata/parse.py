# SPDX-License-Identifier: Apache-2.0
#
# Parses JSON for a second and a half after "go" and says how often it did.

import json
import os
import sys
import time

TEXT = json.dumps([{"id": i, "name": "name %d" % i, "tags": ["a", "b", str(i)], "price": i * 1.25} for i in range(20)])

print("ready", os.getpid(), flush=True)
for line in sys.stdin:
    rounds = 0
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        json.loads(TEXT)
        rounds += 1
    print("rounds", rounds, flush=True)
