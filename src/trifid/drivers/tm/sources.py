"""What a disk may be made of: files that its owner could have named, after symbolic links.

The engine checks the path that somebody wrote; where that leads is known here only.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from trifid.core.vm.outside import is_image_name
from trifid.drivers.kit import Failure
from trifid.drivers.tm import paths
from trifid.drivers.tm.script import Command


def source_of(operand: str, command: Command, directory: Path) -> Path:
    """Return the path of what a disk is made of, or is.

    Args:
        directory: the VM's, in its datastore.

    Raises:
        Failure: it belongs to the engine or to another VM, lies outside of the directory that its owner may name
            files of, or is an image of the catalogue, for a disk that was not given that image.
    """
    source = paths.path_of(operand)
    paths.check_readable(source, directory)
    if command.is_image:
        return source
    real = Path(os.path.realpath(source))
    refuse_leading_out(source, real, command.within)
    if (_around(source, command.within) or command.word == "LN") and _is_of_catalogue(real, directory):
        raise Failure(f"{source} is an image of the catalogue: name it with IMAGE, so that it is known to be in use")
    return source


def refuse_leading_out(path: Path, real: Path, within: Iterable[str]) -> None:
    """Refuse a file that is named where any user may name files, and lies elsewhere.

    Whoever may write there could let a symbolic link lead to files that are others'.

    Args:
        path: as somebody named it.
        real: where that leads.
        within: directories whose files any user may name.

    Raises:
        Failure: it lies in none of them, but is named in one.
    """
    around = _around(path, within)
    if around and not any(real.is_relative_to(os.path.realpath(directory)) for directory in within):
        raise Failure(f"{path} leads out of {around}, whose files any user may name")


def _around(path: Path, within: Iterable[str]) -> str:
    """Return the directory that a path lies in by its name, "" for none."""
    return next((directory for directory in within if path.is_relative_to(directory)), "")


def _is_of_catalogue(real: Path, directory: Path) -> bool:
    datastores = os.path.realpath(directory.parent.parent)
    return is_image_name(real.name) and real.is_relative_to(datastores)
