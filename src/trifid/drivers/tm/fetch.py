"""Files from the web for the disks of VMs (DISK/SOURCE=http://…), complete or not at all."""

from pathlib import Path

from trifid.drivers.download import Remote, is_url, shown
from trifid.drivers.reach import Reach
from trifid.drivers.tm.files import Progress, Sparse, arriving, need_space

__all__ = ["fetch", "is_url", "shown"]

_BY_AN_ADMINISTRATOR = Reach(is_first_free=True)
"""Who may write such a SOURCE was checked by the engine (user_paths); where a server sends us on was not."""


def fetch(url: str, target: Path, progress: Progress, mode: int) -> None:
    """Fetch a file to its place, complete or not at all.

    Raises:
        Failure: not http(s), refused, cut short, too slow, sent on to a network that is not public, or no space.
        OSError: it cannot be written.
    """
    with Remote(url, _BY_AN_ADMINISTRATOR) as remote:
        need_space(target.parent, remote.size or 0)
        with arriving(target, mode) as file:
            sparse = Sparse(file)
            for block in remote.blocks():
                sparse.write(block)
                progress(sparse.size, remote.size or 0)
            sparse.end()
