"""What a datastore driver is told: rendered from the records when it is sent.  Pure.

An import from `upload:UID/NAME` (what methods/image.py makes of the `upload:NAME` that a user writes) is told
as the file HOME/uploads/UID/NAME.
"""

from pathlib import PurePosixPath

from trifid.core.image.datastore import Datastore
from trifid.core.image.life import RESIZE_TO
from trifid.core.image.record import Image
from trifid.engine.config import EngineSettings
from trifid.wire.image_action import ImageActionData

UPLOAD = "upload:"
"""How a path begins that is a user's upload."""
_CHECKSUMS = ("SHA256", "SHA1", "MD5")
"""Strongest first: one of them is checked."""


def action_data(
    image: Image | None,
    datastore: Datastore,
    cloned: Image | None,
    verb: str,
    base_path: str,
    settings: EngineSettings,
    documents: tuple[str, str] = ("", ""),
    uploads: str = "",
) -> ImageActionData:
    """Return what a driver is told for a verb.

    Args:
        image: it is about; with id -1 for one that is none yet (STAT), None for a datastore's room (MONITOR).
        cloned: the image that it is made a clone of.
        base_path: directory, or /dev/VG, of the datastore, absolute.
        documents: of the image and of the datastore, for drivers of others.
        uploads: HOME/uploads, where users' uploads lie.
    """
    if image is None:
        return ImageActionData(base_path=base_path, datastore=documents[1])
    path, safe_dirs = image.path, _safe_dirs(image.path, datastore, settings)
    if path.startswith(UPLOAD):
        path = str(PurePosixPath(uploads) / path.removeprefix(UPLOAD))
        safe_dirs = str(PurePosixPath(path).parent)
    return ImageActionData(
        step=image.step,
        image_id=image.id,
        kind=image.type.name,
        source=image.source,
        path=path,
        format=image.format,
        fs=image.fs,
        size_mib=_whole(image.template.single(RESIZE_TO)) if verb == "RESIZE" else image.size_mib,
        size_mib_max=_whole(datastore.template.single("LIMIT_MB")),
        checksum=_checksum(image),
        clone_source=cloned.source if cloned else "",
        clone_format=cloned.format if cloned else "",
        snapshot_id=image.target_snapshot,
        base_path=base_path,
        safe_dirs=safe_dirs,
        restricted_dirs=datastore.template.single("RESTRICTED_DIRS"),
        download_from=" ".join(settings.download_from),
        image=documents[0],
        datastore=documents[1],
    )


def _safe_dirs(path: str, datastore: Datastore, settings: EngineSettings) -> str:
    """Return the directories that a file is taken from, empty for all that are not forbidden.

    Those that any user may name are among them.  What is named in one of these must lie in one, after symbolic
    links too: whoever may write there could lead the engine to files that are others'.
    """
    safe = datastore.template.single("SAFE_DIRS")
    of_users = [place for place in settings.user_paths if place.startswith("/")]
    if not safe and not any(path.startswith(f"{place.rstrip('/')}/") for place in of_users):
        return ""
    return " ".join([*safe.split(), *of_users])


def _checksum(image: Image) -> str:
    for name in _CHECKSUMS:
        value = image.template.single(name).strip()
        if value:
            return f"{name.lower()}:{value.lower()}"
    return ""


def _whole(text: str) -> int:
    """Return a number that was checked when the record was made; 0 for one that is not there."""
    return int(text) if text.isdecimal() else 0
