"""Numbers for things that have names, the same ones as long as possible: pure.

A conntrack zone for a bridge, a mark for a port.  A number comes of the name, not of its place in a list, so that
what others come and go does not change it: connections that are tracked stay with their zone, and a packet that is
under way while tables are replaced means the same port in both.
"""

import zlib
from collections.abc import Iterable


def numbered(names: Iterable[str], last: int) -> dict[str, int]:
    """Return a number between 1 and `last` for each name, different ones.

    Two names that come to the same number are the exception: the later in the alphabet takes the next free one.
    """
    found: dict[str, int] = {}
    taken: set[int] = set()
    for name in sorted(set(names)):
        number = zlib.crc32(name.encode()) % last + 1
        while number in taken:
            number = number % last + 1
        taken.add(number)
        found[name] = number
    return found
