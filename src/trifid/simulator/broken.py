"""How a simulation ends before its time.

Both are SystemExit, since that is what no `except Exception` of the engine and no task of asyncio keeps
from getting out.
"""


class Broken(SystemExit):
    """An invariant does not hold; the text says which and on what."""


class Killed(SystemExit):
    """The daemon's process is gone at this very moment."""
