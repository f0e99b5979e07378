"""From a template to an image: its own fields checked and taken out, the user's attributes kept.

Source: reference/templates.md §2.1, reference/api-modern.md §2 (texts that today's clients know) and §5.6.
"""

import re
from typing import NoReturn

import msgspec
from msgspec.structs import replace

from trifid.core.access import Permissions
from trifid.core.image.datastore import Datastore, DatastoreType
from trifid.core.image.disks import TOLD_BY_IMAGE
from trifid.core.image.life import RESIZE_TO
from trifid.core.image.record import DiskType, Image, ImageType
from trifid.core.restricted import NOTHING, Restricted, refusal
from trifid.core.template import types
from trifid.core.template.attributes import ATTRIBUTES
from trifid.core.template.model import Template
from trifid.core.template.types import Type
from trifid.core.template.validate import check_name, shown
from trifid.errors import BadTemplate, Refused

TYPES = (
    *(ImageType.OS, ImageType.CDROM, ImageType.DATABLOCK),
    *(ImageType.KERNEL, ImageType.RAMDISK, ImageType.CONTEXT),
)
"""What users make; the others of today's API are backups and containers, which are not here."""

PROGRESS = "PROGRESS"
"""How far an image is, in its document only."""

_FIELDS = ("NAME", "TYPE", "PERSISTENT", "PUBLIC", "PATH", "SOURCE", "SIZE", "FORMAT", "DRIVER", "FS", "FSTYPE")
_OF_ENGINE = (RESIZE_TO, PROGRESS)
PUBLIC = 0o044
"""What PUBLIC of a template from before there were permissions adds to them: all may use the image."""
_FORMATS = types.one_of(*types.IMAGE_FORMATS)
_FILE_SYSTEM = types.one_of(*types.FILE_SYSTEMS, "swap", *types.NO_FILE_SYSTEM)
_NO_SIZE = "Cannot parse image SIZE: Wrong number or missing SIZE attribute."
_UPLOAD = re.compile(r"upload:[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


def _hexadecimal(digits: int) -> Type:
    pattern = re.compile(rf"[0-9A-Fa-f]{{{digits}}}")
    return Type(f"{digits} hexadecimal digits", lambda value: pattern.fullmatch(value.strip()) is not None)


_CHECKED: tuple[tuple[str, Type], ...] = (
    *((row.key, row.type) for row in ATTRIBUTES if row.name == "DISK" and row.key in TOLD_BY_IMAGE),
    ("MD5", _hexadecimal(32)),
    ("SHA1", _hexadecimal(40)),
    ("SHA256", _hexadecimal(64)),
)
"""Attributes that stay in the template and mean something: to the disks made of the image, or to its import."""


class Owner(msgspec.Struct, frozen=True):
    """Whose an image becomes.

    Attributes:
        restricted: what only administrators write in the template of an image.
    """

    uid: int
    gid: int
    is_admin: bool
    restricted: Restricted

    def refuse_restricted(self, template: Template, known: Template = NOTHING, image_id: int = -1) -> None:
        """Raise NotAllowed when a template has what only administrators write, and an image has not already."""
        if not self.is_admin:
            self.restricted.refuse_changes(known, template, uid=self.uid, what="Image", object_id=image_id)


def define(template: Template, *, datastore: Datastore, owner: Owner, image_id: int, now: int) -> Image:
    """Return the image that a template describes, LOCKED, as yet without a SOURCE of the engine's.

    Its `path` says whether it is to be imported; its `source` is there when the template names one; it is
    made empty when it has neither.

    Args:
        now: epoch seconds.

    Raises:
        BadTemplate: names the attribute, what it must be and what it is.
        NotAllowed: an attribute for administrators.
        Refused: the datastore does not take such images.
    """
    kind = type_of(template.single("TYPE").strip() or ImageType.OS.name)
    name = template.single("NAME").strip()
    if not name:
        raise BadTemplate("Invalid NAME, it cannot be empty")
    check_name(name)
    check_values(template)
    refuse_other_datastore(kind, datastore)
    owner.refuse_restricted(template)
    image = Image(
        id=image_id,
        uid=owner.uid,
        gid=owner.gid,
        name=name,
        type=kind,
        datastore_id=datastore.id,
        disk_type=disk_type(kind, datastore),
        permissions=Permissions(0o600 | (PUBLIC if _yes(template, "PUBLIC") else 0)),
        is_persistent=_yes(template, "PERSISTENT"),
        regtime=now,
        modtime=now,
        source=template.single("SOURCE").strip(),
        path=template.single("PATH").strip(),
        format=_format(template),
        fs=_file_system(template),
        size_mib=_size(template),
        template=attributes(template),
    )
    _refuse_impossible(image)
    return image


def type_of(word: str) -> ImageType:
    """Return the type of a word; raises BadTemplate for one that is no type of image."""
    found = next((kind for kind in TYPES if kind.name == word.upper()), None)
    if found is None:
        known = ", ".join(kind.name for kind in TYPES)
        raise BadTemplate(f'Invalid type in template: TYPE must be one of {known}, is "{shown(word)}"')
    return found


def disk_type(kind: ImageType, datastore: Datastore) -> DiskType:
    """Return how hypervisors see an image of that type in that datastore."""
    if kind.is_file:
        return DiskType.FILE
    return DiskType.CD_ROM if kind is ImageType.CDROM else datastore.disk_type


def refuse_other_datastore(kind: ImageType, datastore: Datastore) -> None:
    """Raise Refused unless a datastore takes images of that type."""
    wanted = DatastoreType.FILE if kind.is_file else DatastoreType.IMAGE
    if datastore.type is not wanted:
        raise Refused(
            f"{kind.name} images are kept in datastores of type {wanted.name}, "
            f"{datastore.name} [{datastore.id}] is {datastore.type.name}"
        )


def check_values(template: Template) -> None:
    """Raise BadTemplate unless the attributes that mean something have values that they take."""
    for name, type_ in _CHECKED:
        value = template.single(name)
        if value and not type_.accepts(value):
            raise BadTemplate(f'{name} must be {type_.expected}, is "{shown(value)}"')
    for name in (*_FIELDS, *(name for name, _ in _CHECKED)):
        if template.vectors(name):
            raise BadTemplate(f"{name} must be a single value, is a vector")
    if "PERSISTENT_TYPE" in template:
        raise BadTemplate("PERSISTENT_TYPE is not supported: a persistent image is used by one VM, which writes it")


def attributes(template: Template) -> Template:
    """Return the attributes that stay in an image's template."""
    return template.without(*_FIELDS, *_OF_ENGINE)


def updated(image: Image, template: Template, owner: Owner) -> Image:
    """Return an image with other attributes.

    What are fields of an image (NAME, TYPE, PATH, SIZE …) stays as it is: calls of their own change what
    can be changed, and clients send whole templates back.

    Raises:
        BadTemplate: a value that its attribute does not take.
        NotAllowed: SOURCE or PATH, unless it is as it was, from somebody who is no administrator.
    """
    owner.refuse_restricted(template, _whole_template(image), image.id)
    if "PATH" in template and template.single("PATH").strip() != image.path and not owner.is_admin:
        raise refusal(owner.uid, "Image", "PATH", image.id)
    check_values(template)
    kept = image.template.only(RESIZE_TO)
    if not owner.is_admin:
        kept = kept.having(*owner.restricted.left_out(attributes(image.template), template))
    return replace(image, template=attributes(template).having(*kept))


def _whole_template(image: Image) -> Template:
    """Return what an image's template was made of: its attributes, and those that are fields of their own."""
    fields = {
        "NAME": image.name,
        "TYPE": image.type.name,
        "PERSISTENT": "YES" if image.is_persistent else "NO",
        "PATH": image.path,
        "SOURCE": image.source,
        "SIZE": str(image.size_mib),
        "FORMAT": image.format,
        "DRIVER": image.format,
        "FS": image.fs,
    }
    return image.template.having(*fields.items())


def _yes(template: Template, name: str) -> bool:
    value = template.single(name).strip()
    return bool(value) and _known(name, value, types.YES_NO) and value.upper() == "YES"


def _format(template: Template) -> str:
    """Return the format that FORMAT, DRIVER or, as of old, FSTYPE tells; empty when none does."""
    found = {
        name: value.lower()
        for name in ("FORMAT", "DRIVER")
        if (value := template.single(name).strip()) and _known(name, value, _FORMATS)
    }
    old = template.single("FSTYPE").strip().lower()
    if old in types.IMAGE_FORMATS and old != "raw":
        found["FSTYPE"] = old
    if len(set(found.values())) > 1:
        raise BadTemplate(f"{' and '.join(found)} tell different formats: {', '.join(found.values())}; give one")
    return next(iter(found.values()), "")


def _file_system(template: Template) -> str:
    value = (template.single("FS") or template.single("FSTYPE")).strip().lower()
    if not value or value in types.IMAGE_FORMATS:
        return ""
    _known("FS", value, _FILE_SYSTEM)
    return "" if value in types.NO_FILE_SYSTEM else value


def _known(name: str, value: str, type_: Type) -> bool:
    if not type_.accepts(value):
        raise BadTemplate(f'{name} must be {type_.expected}, is "{shown(value)}"')
    return True


def _size(template: Template) -> int:
    value = template.single("SIZE").strip()
    if value and not types.SIZE_MIB.accepts(value):
        raise BadTemplate(f'{_NO_SIZE} SIZE must be {types.SIZE_MIB.expected}, is "{shown(value)}"')
    return int(value or 0)


def _refuse_impossible(image: Image) -> None:
    """Raise BadTemplate for an image that nothing could be made of."""
    if image.path and image.source:
        raise BadTemplate("PATH and SOURCE are mutually exclusive: PATH is copied, SOURCE is used where it lies")
    if image.path and not _is_path(image.path):
        expected = "absolute, http(s)://… or upload:NAME, without blanks, control characters or .."
        raise BadTemplate(f'PATH must be {expected}, is "{shown(image.path)}"')
    if image.source and not (image.source.startswith("/") and types.is_path(image.source)):
        raise BadTemplate(f'SOURCE must be an absolute path, without blanks or .., is "{shown(image.source)}"')
    if image.type.is_file:
        _refuse_impossible_file(image)
    elif not image.path:
        _refuse_impossible_disk(image)
    if image.path and image.fs:
        raise BadTemplate("FS is of images that are made empty: it is not used with PATH")


def _is_path(value: str) -> bool:
    if _UPLOAD.fullmatch(value):
        return True
    return value.startswith(("/", "http://", "https://")) and types.is_path(value)


def _refuse_impossible_file(image: Image) -> None:
    if image.is_persistent:
        raise BadTemplate("KERNEL, RAMDISK and CONTEXT must be non-persistent")
    if not image.path and not image.source:
        raise BadTemplate(f"{image.type.name} images need a PATH: the file that they are made of")
    if image.format not in ("", "raw"):
        raise BadTemplate(f"{image.type.name} images are plain files: FORMAT must be raw, is {image.format}")


def _refuse_impossible_disk(image: Image) -> None:
    """A disk that is not imported is of a size and format that only the template can tell."""
    if image.size_mib < 1:
        raise BadTemplate(_NO_SIZE)
    if image.source:
        if not image.format:
            raise BadTemplate(f"FORMAT is missing: what is used where it lies must be {_FORMATS.expected}")
    elif image.type is ImageType.CDROM:
        raise BadTemplate("CDROM images need a PATH: they are not made empty")


def refuse_use(image: Image, users: set[int], clones: set[int], what: str) -> None:
    """Raise Refused when VMs use an image or clones are being made of it.

    Args:
        what: completes "cannot be …".
    """
    if users:
        _in_use(image, "is used by VM", users, what)
    if clones:
        _in_use(image, "is being cloned to image", clones, what)


def _in_use(image: Image, text: str, others: set[int], what: str) -> NoReturn:
    ids = sorted(others)
    more = ", …" if len(ids) > len(ids[:5]) else ""
    raise Refused(
        f"image {image.name} [{image.id}] cannot be {what}: it {text} {', '.join(map(str, ids[:5]))}{more}", image.id
    )
