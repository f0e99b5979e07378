"""An image as a record: a disk or a file that VMs are made of, kept in a datastore.

What changes with the VMs (how many use it, how many clones are being made of it) is never stored: it is
derived from their records, so that it cannot drift; see core/image/uses.py.
"""

import enum

import msgspec

from trifid.core.access import Permissions
from trifid.core.template.model import Template
from trifid.core.vm.lock import Lock
from trifid.core.vm.record import DiskSnapshots

NO_VM = NO_IMAGE = -1


class ImageType(enum.IntEnum):
    """What an image is (reference/api-modern.md §5.6)."""

    OS = 0
    CDROM = 1
    DATABLOCK = 2
    KERNEL = 3
    RAMDISK = 4
    CONTEXT = 5
    BACKUP = 6
    FILESYSTEM = 7

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file, kept in a file datastore, and no disk."""
        return self in (ImageType.KERNEL, ImageType.RAMDISK, ImageType.CONTEXT)


class ImageState(enum.IntEnum):
    """States of today's API (reference/api-modern.md §5.6).

    A record is LOCKED, READY, DISABLED, ERROR or DELETE; the others are what READY and LOCKED look like
    while VMs use the image or clones are made of it (core/image/uses.py).
    """

    INIT = 0
    READY = 1
    USED = 2
    DISABLED = 3
    LOCKED = 4
    ERROR = 5
    CLONE = 6
    DELETE = 7
    USED_PERS = 8
    LOCKED_USED = 9
    LOCKED_USED_PERS = 10

    @property
    def short(self) -> str:
        """What lists show."""
        return ("init", "rdy", "used", "disa", "lock", "err", "clon", "dele", "used", "lock", "lock")[self.value]


class DiskType(enum.IntEnum):
    """How a hypervisor sees a disk."""

    FILE = 0
    CD_ROM = 1
    BLOCK = 2
    NONE = 255


class Image(msgspec.Struct, frozen=True):
    """An image.  Replaced whole on every change, never edited.

    Attributes:
        state: LOCKED, READY, DISABLED, ERROR or DELETE.
        step: counts changes of state; ties the answer of a driver to the action that asked for it.
        is_persistent: one VM at a time uses it, and what that VM writes stays.
        regtime, modtime: epoch seconds: registered, contents written last.
        source: where it lies: a path on the front-end, or what its datastore's drivers call it.  Chosen by
            the engine when the image is made, so that every try of an import writes to one place.
        path: what it was made from, as the user wrote it; empty for one that was made empty.
        format: of its file, "raw" or "qcow2"; empty until known.
        fs: file system that it was made with, empty for none.
        size_mib: virtual size, MiB; 0 until known.
        cloning_id: the image that it is a clone of, while it is being made; NO_IMAGE else.
        saved_from: the VM that it is being saved from, while it is; NO_VM else.
        template: the user's attributes that are not fields here (DEV_PREFIX, DESCRIPTION, MD5, ERROR …).
    """

    id: int
    uid: int
    gid: int
    name: str
    type: ImageType
    datastore_id: int
    state: ImageState = ImageState.LOCKED
    prev: ImageState = ImageState.INIT
    step: int = 0
    permissions: Permissions = Permissions(0o600)
    lock: Lock | None = None
    disk_type: DiskType = DiskType.FILE
    is_persistent: bool = False
    regtime: int = 0
    modtime: int = 0
    source: str = ""
    path: str = ""
    format: str = ""
    fs: str = ""
    size_mib: int = 0
    cloning_id: int = NO_IMAGE
    saved_from: int = NO_VM
    snapshots: DiskSnapshots = DiskSnapshots(0)
    target_snapshot: int = -1
    template: Template = Template()


class ImageAction(msgspec.Struct, frozen=True):
    """What a datastore driver is doing for an image and has not answered yet: at most one per image.

    Attributes:
        step: the image's step number that the answer must match.
        verb: the word on the wire: CP, MKFS, CLONE, RM, RESIZE, SNAP_DELETE, SNAP_REVERT, SNAP_FLATTEN.
    """

    image_id: int
    step: int
    verb: str
