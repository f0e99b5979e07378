"""Where the images of a datastore of plain files are: BASE_PATH/<32 hex digits>, and what lies beside them."""

from collections.abc import Iterator
from pathlib import Path

from trifid.core.vm.outside import is_image_name
from trifid.drivers.kit import Failure
from trifid.drivers.tm.paths import DIRECTORY_MODE, PART_SUFFIX, snapshots_of
from trifid.wire.image_action import ImageActionData

_SCRATCH_SUFFIX = ".fs.part"
_UPLOAD_SUFFIX = ".upload.part"


def source_of(data: ImageActionData) -> Path:
    """Return the path of an image that this driver keeps.

    Raises:
        Failure: it is another path; nothing there is written or removed.
    """
    if not is_own(data):
        raise Failure(f"{data.source or 'no source'} is not a file that this datastore made, it is left as it is")
    return Path(data.source)


def is_own(data: ImageActionData) -> bool:
    """Tell whether an image is a file that the engine gave its name, in the datastore's directory."""
    base, source = Path(data.base_path), Path(data.source)
    is_plain = base.is_absolute() and ".." not in base.parts and "\0" not in data.source
    return is_plain and source.parent == base and is_image_name(source.name)


def existing(data: ImageActionData) -> Path:
    """Return the path of an image that is there.

    Raises:
        Failure: it is not, or it is none of this driver's.
    """
    source = source_of(data)
    if source.is_symlink() or not source.is_file():
        raise Failure(f"{source}: there is no such image")
    return source


def make_base(data: ImageActionData) -> Path:
    """Return the datastore's directory, made if it is missing.

    Raises:
        Failure: it is no absolute path.
        OSError: it cannot be made.
    """
    base = Path(data.base_path)
    if not base.is_absolute() or ".." in base.parts:
        raise Failure(f"the datastore's directory {data.base_path[:200]!r} must be an absolute path without ..")
    base.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    return base


def scratch_of(source: Path) -> Path:
    """Return where a file system is made that then goes into a qcow2 image."""
    return source.with_name(source.name + _SCRATCH_SUFFIX)


def upload_of(source: Path) -> Path:
    """Return where it is noted which upload an image is made of (drivers/ds/uploaded.py)."""
    return source.with_name(source.name + _UPLOAD_SUFFIX)


def leftovers(source: Path) -> Iterator[Path]:
    """Yield every file that may be there of an image, its snapshots first, itself last."""
    kept = snapshots_of(source)
    if kept.is_dir() and not kept.is_symlink():
        yield from kept.iterdir()
    yield scratch_of(source)
    yield upload_of(source)
    yield source.with_name(source.name + PART_SUFFIX)
    yield source.with_name(f"{source.name}{PART_SUFFIX}.state")  # of a copy from a host (drivers/tm/ssh)
    yield source
