"""The transfer driver that clones an image in no time: the disk is a qcow2 layer over it.

For datastores that the front-end and all hosts see under one path, as drivers/tm/shared.py, with all of whose
other commands it has.  The image is only read; it must stay as long as a disk stands on it, which the engine
sees to.  Images that are not of the catalogue are copied: they stay for nobody.  core/vm/placed.py tells hypervisor
drivers the same.  Source: reference/drivers.md §4.3.
"""

from trifid.core.vm.outside import is_image_name
from trifid.drivers.kit import Request
from trifid.drivers.tm import commands, images, paths
from trifid.drivers.tm.fetch import is_url
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.shared import serve
from trifid.drivers.tm.sources import source_of
from trifid.drivers.tm.work import arrival, operands


def clone(request: Request, command: Command) -> None:
    """Make a disk that is a layer over its image; what is not of the catalogue, or no disk (a kernel), is copied."""
    source, target = operands(command, 2)
    place = arrival(target, command)
    if is_url(source) or not (is_image_name(paths.path_of(source).name) and paths.is_disk_name(place.name)):
        commands.clone(request, command)
        return
    if place.is_file():
        return
    original = source_of(source, command, place.parent)
    images.make_layer(request, original, command.format, place)


COMMANDS: commands.Commands = {**commands.COMMANDS, "CLONE": clone}


def main() -> None:
    """Run the driver until the engine ends it."""
    serve("tm-qcow2", COMMANDS)


if __name__ == "__main__":
    main()
