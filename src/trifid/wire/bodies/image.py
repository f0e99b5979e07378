"""The document of an image: the same alone and in a pool.

Source: reference/api-modern.md §5.1, §5.5 (image.xsd), §5.6.
"""

from collections.abc import Collection

import msgspec

from trifid.core.image.define import PROGRESS
from trifid.core.image.life import RESIZE_TO
from trifid.core.image.record import Image, ImageState
from trifid.core.image.uses import shown_state
from trifid.core.template.model import Template
from trifid.core.vm.record import DiskSnapshots
from trifid.wire.bodies.parts import Names, body, cdata, ids, lock, owner, permissions
from trifid.wire.bodies.vm import disk_snapshot
from trifid.wire.xmltext import escape

_ALLOW_ORPHANS = "YES"
"""Any snapshot may go, whatever was made after it, as with the disks of VMs."""


class ImageUse(msgspec.Struct, frozen=True):
    """What an image's record does not say.

    Attributes:
        datastore: name of the one that it is in.
        vm_ids: VMs that use it.
        clone_ids: clones that are being made of it.
        progress: how far its driver is with it, empty for nothing to tell.
    """

    datastore: str = ""
    vm_ids: Collection[int] = ()
    clone_ids: Collection[int] = ()
    progress: str = ""


def _shown_path(path: str) -> str:
    """Return where an image came from without the password that a URL may have."""
    scheme, mark, rest = path.partition("://")
    host, slash, more = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{more}" if mark else path


def image_full(image: Image, names: Names, use: ImageUse) -> str:
    """Return the IMAGE document."""
    state = shown_state(image, len(use.vm_ids), len(use.clone_ids))
    return (
        f"<IMAGE><ID>{image.id}</ID>{owner(image.uid, image.gid, names)}<NAME>{escape(image.name)}</NAME>"
        f"{lock(image.lock)}{permissions(image.permissions)}<TYPE>{image.type.value}</TYPE>"
        f"<DISK_TYPE>{image.disk_type.value}</DISK_TYPE><PERSISTENT>{image.is_persistent:d}</PERSISTENT>"
        f"<REGTIME>{image.regtime}</REGTIME><MODTIME>{image.modtime}</MODTIME><SOURCE>{cdata(image.source)}</SOURCE>"
        f"<PATH>{cdata(_shown_path(image.path))}</PATH><FORMAT>{cdata(image.format)}</FORMAT><FS>{cdata(image.fs)}</FS>"
        f"<SIZE>{image.size_mib}</SIZE><STATE>{state.value}</STATE><PREV_STATE>{image.prev.value}</PREV_STATE>"
        f"<RUNNING_VMS>{len(use.vm_ids)}</RUNNING_VMS><CLONING_OPS>{len(use.clone_ids)}</CLONING_OPS>"
        f"<CLONING_ID>{image.cloning_id}</CLONING_ID><TARGET_SNAPSHOT>{image.target_snapshot}</TARGET_SNAPSHOT>"
        f"<DATASTORE_ID>{image.datastore_id}</DATASTORE_ID><DATASTORE>{escape(use.datastore)}</DATASTORE>"
        f"{ids('VMS', use.vm_ids)}{ids('CLONES', use.clone_ids)}<APP_CLONES></APP_CLONES>"
        f"{body('TEMPLATE', _template(image, use))}{_snapshots(image.snapshots)}"
        "<BACKUP_INCREMENTS></BACKUP_INCREMENTS></IMAGE>"
    )


def _template(image: Image, use: ImageUse) -> Template:
    """Return the template as it is shown: how far the driver is, while it is at work."""
    shown = image.template.without(PROGRESS, RESIZE_TO)
    if use.progress and image.state in (ImageState.LOCKED, ImageState.DELETE):
        shown = shown.having((PROGRESS, use.progress))
    return shown


def _snapshots(of: DiskSnapshots) -> str:
    """Return SNAPSHOTS, which the schema wants of every image."""
    return (
        f"<SNAPSHOTS><ALLOW_ORPHANS>{cdata(_ALLOW_ORPHANS)}</ALLOW_ORPHANS>"
        f"<CURRENT_BASE>{cdata('-1')}</CURRENT_BASE><NEXT_SNAPSHOT>{cdata(str(of.next_id))}</NEXT_SNAPSHOT>"
        f"{''.join([disk_snapshot(one, of) for one in of.snapshots])}</SNAPSHOTS>"
    )
