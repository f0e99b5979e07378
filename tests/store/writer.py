"""A process that commits until it is killed: `python -m tests.store.writer URL HOME`.

It prints the number of each turn once the turn is durable.
"""

import itertools
import sys
from pathlib import Path

from tests.store.records import turn
from trifid.store.sql import open_store

if __name__ == "__main__":
    store = open_store(sys.argv[1], Path(sys.argv[2]))
    for number in itertools.count(len(store.load().vms)):
        store.commit(turn(number, template_bytes=3000))
        print(number, flush=True)
