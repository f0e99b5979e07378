"""Whether two names lead to one directory: a host has aliases, and a file system may be seen by several hosts.

What would be right for two of them destroys the only copy of a VM's disks if it is one.
"""

import re
import secrets

from trifid.drivers.tm.ssh.place import Place

_PREFIX = ".seen-from-both-"
MARK = re.compile(rf"{re.escape(_PREFIX)}[0-9a-f]+")
"""Names of what is put there to find that out."""

# $1 directory, $2 name in it.  What a process that was killed has left goes.
_PUT = 'rm -f -- "$1"/.seen-from-both-* && : > "$1/$2"'


def is_one(source: Place, target: Place) -> bool:
    """Tell whether two places are one directory: what is put into the first is found in the second."""
    if source.host is target.host and source.path == target.path:
        return True
    about = source.about()
    if about is None or about.kind != "d":
        return False
    name = _PREFIX + secrets.token_hex(8)
    source.script(_PUT, name)
    try:
        return target.inside(name).is_there()
    finally:
        source.inside(name).remove()


def are_in_one(source: Place, target: Place) -> bool:
    """Tell whether two files are one: in one directory, under one name."""
    parents = (one._replace(path=one.path.parent) for one in (source, target))
    return source.path.name == target.path.name and is_one(*parents)
