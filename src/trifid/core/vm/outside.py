"""Files outside of the catalogue, and what tells them from its images: how far the paths that users may name reach."""

import re
from collections.abc import Iterable

from trifid.core.template.model import Template

WITHIN = "WITHIN"
"""Key of a DISK, the engine's own: the directory that what its SOURCE leads to must be in."""

_NAME_OF_IMAGE = re.compile(r"[0-9a-f]{32}", re.ASCII)

Vector = dict[str, str]


def is_image_name(name: str) -> bool:
    """Tell whether a file is called as the engine calls those of images that are made for the catalogue."""
    return _NAME_OF_IMAGE.fullmatch(name) is not None


def confined(disk: Vector, user_paths: Iterable[str]) -> Vector:
    """Return a DISK with the directory that its SOURCE must not leave, when it is one that any user may name files of.

    Whoever may write there could let a symbolic link lead to files that are others', so this is of an administrator's
    disks as well.  An image of the catalogue has its own rules.

    Args:
        user_paths: the engine's setting of that name: directories, and prefixes of URLs, which do not matter here.
    """
    source = disk.get("SOURCE", "")
    if disk.get("IMAGE_ID"):
        return disk
    for place in user_paths:
        directory = place.rstrip("/")
        if directory.startswith("/") and source.startswith(f"{directory}/"):
            return {**disk, WITHIN: directory}
    return disk


def all_confined(template: Template, user_paths: Iterable[str]) -> Template:
    """Return a prepared template with all of its DISKs so."""
    places = tuple(user_paths)
    return Template(
        tuple(
            (name, confined(value, places) if name == "DISK" and isinstance(value, dict) else value)
            for name, value in template
        )
    )
