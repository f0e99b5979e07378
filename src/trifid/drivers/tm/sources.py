"""What a disk may be made of: files that its owner could have named, after symbolic links.

The engine checks the path that somebody wrote; where that leads is known here only.
"""

import os
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
    if command.within and not real.is_relative_to(os.path.realpath(command.within)):
        raise Failure(f"{source} leads out of {command.within}, whose files any user may name")
    if (command.within or command.word == "LN") and _is_of_catalogue(real, directory):
        raise Failure(f"{source} is an image of the catalogue: name it with IMAGE, so that it is known to be in use")
    return source


def _is_of_catalogue(real: Path, directory: Path) -> bool:
    datastores = os.path.realpath(directory.parent.parent)
    return is_image_name(real.name) and real.is_relative_to(datastores)
