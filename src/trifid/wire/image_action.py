"""The payload of a datastore driver's requests: base64 of one XML document.

The engine renders it, drivers parse it.  Source: reference/drivers.md §2.3 (DS_DRIVER_ACTION_DATA with the
IMAGE and DATASTORE documents).  TRIFID_STEP and TRIFID_REQUEST are additions: the first lets a driver refuse
what has been superseded, the second tells in plain elements what our drivers need.
"""

import base64
import binascii
from xml.etree import ElementTree

import msgspec

from trifid.errors import DriverFault
from trifid.wire.xmltext import escape, writable

ROOT = "DS_DRIVER_ACTION_DATA"
REQUEST = "TRIFID_REQUEST"


class ImageActionData(msgspec.Struct, frozen=True):
    """What a datastore driver is told.

    Attributes:
        step: the image's step number; a lower one than a driver has seen is out of date.
        image_id: of the image; -1 for MONITOR and for STAT of something that is no image yet.
        kind: type of the image: OS, CDROM, DATABLOCK, KERNEL, RAMDISK, CONTEXT.
        source: where the image lies, or shall lie: BASE_PATH/NAME.
        path: what it is made from: an absolute path of the front-end, or a URL.
        format: raw or qcow2; empty = find out.
        fs: file system to make, empty for none.
        size_mib: of an image to make, and the least size of one that is imported; 0 = as it comes.
        size_mib_max: most virtual size that is taken, MiB; 0 = no limit.
        checksum: of what comes, `md5:HEX`, `sha1:HEX` or `sha256:HEX`; empty = not checked.
        clone_source, clone_format: of the image that is cloned.
        snapshot_id: that SNAP_… is about.
        base_path: directory, or volume group as /dev/NAME, of the datastore.
        safe_dirs: directories (blanks between) that files may be imported from; empty = all but the restricted.
        restricted_dirs: directories that nothing is imported from, unless they hold a safe one.
        download_from: networks (CIDR, blanks between) that may be fetched from although they are not public.
        image, datastore: the documents, for drivers of others.
    """

    step: int = 0
    image_id: int = -1
    kind: str = "OS"
    source: str = ""
    path: str = ""
    format: str = ""
    fs: str = ""
    size_mib: int = 0
    size_mib_max: int = 0
    checksum: str = ""
    clone_source: str = ""
    clone_format: str = ""
    snapshot_id: int = -1
    base_path: str = ""
    safe_dirs: str = ""
    restricted_dirs: str = ""
    download_from: str = ""
    image: str = ""
    datastore: str = ""


_DOCUMENTS = ("image", "datastore")
_PLAIN = tuple(name for name in ImageActionData.__struct_fields__ if name not in ("step", *_DOCUMENTS))


def render(data: ImageActionData) -> str:
    """Return the payload: base64 of the UTF-8 document; the documents in it are put in as they are."""
    plain = "".join(f"<{name.upper()}>{escape(writable(str(getattr(data, name))))}</{name.upper()}>" for name in _PLAIN)
    document = (
        f"<{ROOT}>{data.image}{data.datastore}<TRIFID_STEP>{data.step}</TRIFID_STEP>"
        f"<{REQUEST}>{plain}</{REQUEST}></{ROOT}>"
    )
    return base64.b64encode(document.encode("utf-8", errors="replace")).decode()


def parse(payload: str) -> ImageActionData:
    """Return what a payload says, without the documents.

    Raises:
        DriverFault: not base64, not XML, not such a request, or a number in it is none.
    """
    try:
        document = base64.b64decode(payload, validate=True)
        root = ElementTree.fromstring(document)  # noqa: S314  (of our own engine; expat knows no external entities)
    except (binascii.Error, ValueError, ElementTree.ParseError) as fault:
        raise DriverFault(f"the request is not base64 of XML: {fault}") from None
    request = root.find(REQUEST)
    if root.tag != ROOT or request is None:
        raise DriverFault(f"the request must be {ROOT} with {REQUEST}, is {root.tag[:40]}")
    found = {child.tag.lower(): child.text or "" for child in request}
    values = {name: found[name] for name in _PLAIN if name in found} | {"step": root.findtext("TRIFID_STEP") or "0"}
    try:
        return msgspec.convert(values, ImageActionData, strict=False)
    except msgspec.ValidationError as fault:
        raise DriverFault(f"the request cannot be read: {fault}") from None
