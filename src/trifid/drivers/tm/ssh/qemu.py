"""What qemu-img tells about a qcow2 image on its host."""

import msgspec

from trifid.drivers.kit import Failure
from trifid.drivers.tm.images import name_in_image
from trifid.drivers.tm.ssh.place import Place


class _Kept(msgspec.Struct):
    name: str


class Image(msgspec.Struct):
    """A qcow2 image.

    Attributes:
        size: of the disk, bytes.
        snapshots: that it keeps.
    """

    size: int = msgspec.field(name="virtual-size")
    snapshots: list[_Kept] = []
    backing: str = msgspec.field(name="backing-filename", default="")

    def has(self, snapshot_id: int) -> bool:
        """Tell whether it keeps a snapshot of a disk."""
        return name_in_image(snapshot_id) in [one.name for one in self.snapshots]


def image_of(disk: Place, *, is_in_use: bool = False) -> Image:
    """Return what a qcow2 disk is.

    Args:
        is_in_use: a hypervisor has it open, so what is told is as it was a moment ago.

    Raises:
        CommandFailed: it is no such image.
        Failure: it is a layer over another file.
    """
    shared = ("-U",) if is_in_use else ()
    told = disk.run("qemu-img", "info", *shared, "-f", "qcow2", "--output=json", "--", str(disk.path))
    image = msgspec.json.decode(told, type=Image)
    if image.backing:
        raise Failure(f"{disk} is a layer over {image.backing}, expected a disk in one piece")
    return image
