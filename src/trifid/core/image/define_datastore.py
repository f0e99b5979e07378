"""From a template to a datastore, and what an update makes of one.

Source: reference/api-modern.md §2 (texts), §5.6, §7.10; reference/drivers.md §3 (names of types).
"""

import re

import msgspec
from msgspec.structs import replace

from trifid.core.image.datastore import Datastore, DatastoreType
from trifid.core.image.record import DiskType
from trifid.core.template import types
from trifid.core.template.model import Template
from trifid.core.template.types import Type
from trifid.core.template.validate import check_name, shown
from trifid.errors import BadTemplate, NotAllowed, Refused

LVM = "lvm"
"""The driver whose images and disks are volumes, not files: it works with its like only."""

_TYPES = {"IMAGE_DS": DatastoreType.IMAGE, "SYSTEM_DS": DatastoreType.SYSTEM, "FILE_DS": DatastoreType.FILE}
_FIELDS = ("NAME", "DS_MAD", "TM_MAD", "TYPE", "BASE_PATH", "DISK_TYPE")
PROMISED = "PROMISED_MB"
"""How much room VMs will take whose files are not there yet: shown, never kept."""
_IGNORED = (
    *("CLUSTERS", "CLUSTER", "SHARED", "CLONE_TARGET", "LN_TARGET", "ALLOW_ORPHANS", "DS_MIGRATE", "PATH"),
    PROMISED,
)
"""What drivers tell of themselves, or the engine knows: not kept when a client sends it."""
RESTRICTED = (*_FIELDS[1:], "SAFE_DIRS", "RESTRICTED_DIRS", "LIMIT_MB", "THIN_POOL")
"""What only members of group 0 may change: where files are written, and whose files may be read."""
_DISK_TYPES = {"FILE": DiskType.FILE, "BLOCK": DiskType.BLOCK}
_VOLUME_GROUP = re.compile(r"/dev/[A-Za-z0-9_.+][A-Za-z0-9_.+-]*")
_LIMIT_MB = types.whole(0, types.WHOLE_MAX, "a number of MiB from 0, which is no limit")


def _are_directories(value: str) -> bool:
    return all(word.startswith("/") and types.is_path(word) for word in value.split())


_DIRECTORIES = Type("absolute directories with blanks between", _are_directories)
_CHECKED: tuple[tuple[str, Type], ...] = (
    ("LIMIT_MB", _LIMIT_MB),
    ("SAFE_DIRS", _DIRECTORIES),
    ("RESTRICTED_DIRS", _DIRECTORIES),
)


class Known(msgspec.Struct, frozen=True):
    """What is configured.

    Attributes:
        ds, tm: names of the datastore and transfer drivers.
        transfer: the transfer driver of those that need not name one.
    """

    ds: tuple[str, ...]
    tm: tuple[str, ...]
    transfer: str


def define(template: Template, *, datastore_id: int, uid: int, gid: int, known: Known) -> Datastore:
    """Return the datastore that a template describes.

    Raises:
        BadTemplate: a driver is missing or not configured, or another value is not what its attribute takes.
    """
    name = template.single("NAME").strip()
    if not name:
        raise BadTemplate("Invalid NAME, it cannot be empty")
    check_name(name)
    kind = _type(template)
    made = Datastore(
        id=datastore_id,
        uid=uid,
        gid=gid,
        name=name,
        type=kind,
        ds_mad="" if kind is DatastoreType.SYSTEM else template.single("DS_MAD").strip(),
        tm_mad=template.single("TM_MAD").strip() or (known.transfer if kind is DatastoreType.FILE else ""),
        base_path=template.single("BASE_PATH").strip().rstrip("/"),
        template=template.without(*_FIELDS, *_IGNORED),
    )
    made = replace(made, disk_type=_disk_type(made, template.single("DISK_TYPE")))
    if kind is not DatastoreType.SYSTEM:
        _check_driver("DS_MAD", made.ds_mad, known.ds)
    _check_driver("TM_MAD", made.tm_mad, known.tm)
    _check(made)
    return made


def updated(old: Datastore, template: Template, *, uid: int, is_admin: bool, is_used: bool, known: Known) -> Datastore:
    """Return a datastore with other attributes; drivers and places that are not given stay.

    Args:
        template: all attributes that it shall have.
        is_admin: who is none may send restricted attributes only as they are; those left out stay.
        is_used: images or files of VMs are in it.

    Raises:
        BadTemplate: a value that its attribute does not take, or a driver that is not configured.
        NotAllowed: another value for a restricted attribute, from somebody who is no administrator.
        Refused: TYPE cannot be changed; drivers and places only of an empty datastore.
    """
    if not is_admin:
        _refuse_restricted(old, template, uid)
        template = template.having(*old.template.only(*(name for name in RESTRICTED if name not in template)))
    if template.single("TYPE") and _type(template) is not old.type:
        raise Refused(f"the type of datastore {old.name} [{old.id}] cannot be changed: make another one", old.id)
    new = replace(
        old,
        ds_mad="" if old.type is DatastoreType.SYSTEM else template.single("DS_MAD").strip() or old.ds_mad,
        tm_mad=template.single("TM_MAD").strip() or old.tm_mad,
        base_path=template.single("BASE_PATH").strip().rstrip("/") or old.base_path,
        template=template.without(*_FIELDS, *_IGNORED),
    )
    new = replace(new, disk_type=_disk_type(new, template.single("DISK_TYPE") or old.disk_type.name))
    if new.ds_mad != old.ds_mad:
        _check_driver("DS_MAD", new.ds_mad, known.ds)
    if new.tm_mad != old.tm_mad:
        _check_driver("TM_MAD", new.tm_mad, known.tm)
    _check(new)
    place = ("ds_mad", "tm_mad", "base_path", "disk_type")
    if is_used and any(getattr(old, field) != getattr(new, field) for field in place):
        raise Refused(
            f"datastore {old.name} [{old.id}] is in use: DS_MAD, TM_MAD, BASE_PATH and DISK_TYPE can be changed "
            "when it has no image and no VM has files in it",
            old.id,
        )
    return new


def shown_template(datastore: Datastore) -> Template:
    """Return the template as documents show it: with the drivers and the type, where today's clients look for them."""
    word = next(word for word, kind in _TYPES.items() if kind is datastore.type)
    pairs = [("TM_MAD", datastore.tm_mad), ("TYPE", word), ("DISK_TYPE", datastore.disk_type.name)]
    if datastore.ds_mad:
        pairs.insert(0, ("DS_MAD", datastore.ds_mad))
    if datastore.base_path:
        pairs.append(("BASE_PATH", datastore.base_path))
    return datastore.template.having(*pairs)


def works_with(image_driver: str, transfer_driver: str) -> bool:
    """Tell whether images of one driver become disks by another: volumes by lvm only, files by all others."""
    return (image_driver == LVM) == (transfer_driver == LVM)


def _type(template: Template) -> DatastoreType:
    word = template.single("TYPE").strip().upper() or "IMAGE_DS"
    if word not in _TYPES:
        raise BadTemplate(f'TYPE must be one of {", ".join(_TYPES)}, is "{shown(word)}"')
    return _TYPES[word]


def _disk_type(datastore: Datastore, word: str) -> DiskType:
    """Return how hypervisors see the disks: what is said must be what the driver makes."""
    is_volumes = LVM in (datastore.ds_mad, datastore.tm_mad) and datastore.type is not DatastoreType.FILE
    made = DiskType.BLOCK if is_volumes else DiskType.FILE
    if word and _DISK_TYPES.get(word.strip().upper()) is not made:
        raise BadTemplate(f'DISK_TYPE must be {made.name}, which is what the driver makes, is "{shown(word)}"')
    return made


def _check(datastore: Datastore) -> None:
    if datastore.type is DatastoreType.IMAGE and not works_with(datastore.ds_mad, datastore.tm_mad):
        raise BadTemplate(
            f"DS_MAD {datastore.ds_mad} does not work with TM_MAD {datastore.tm_mad}: lvm goes with lvm, "
            "all others with each other"
        )
    _check_base_path(datastore)
    for name, type_ in _CHECKED:
        value = datastore.template.single(name)
        if value and not type_.accepts(value):
            raise BadTemplate(f'{name} must be {type_.expected}, is "{shown(value)}"')


def _check_driver(name: str, driver: str, configured: tuple[str, ...]) -> None:
    if not driver:
        raise BadTemplate(f"No {name} in template.")
    if driver not in configured:
        there = ", ".join(configured) or "none"
        raise BadTemplate(
            f'{name} named "{shown(driver)}" is not defined in oned.conf; '
            f"there are: {there}, see [drivers] in trifid.toml"
        )


def _check_base_path(datastore: Datastore) -> None:
    path = datastore.base_path
    if datastore.disk_type is DiskType.BLOCK:
        if not _VOLUME_GROUP.fullmatch(path):
            raise BadTemplate(f'BASE_PATH of an lvm datastore must be its volume group, /dev/NAME, is "{shown(path)}"')
    elif datastore.type is DatastoreType.SYSTEM:
        if path:
            raise BadTemplate("BASE_PATH is not for system datastores: their files lie in the datastore location")
    elif path and not (path.startswith("/") and types.is_path(path)):
        raise BadTemplate(f'BASE_PATH must be an absolute directory, without blanks or .., is "{shown(path)}"')


def _refuse_restricted(old: Datastore, template: Template, uid: int) -> None:
    present = shown_template(old)
    for name in RESTRICTED:
        if name in template and template.all(name) != present.all(name):
            raise NotAllowed(f"User [{uid}] : Datastore Template includes a restricted attribute {name}.", old.id)
