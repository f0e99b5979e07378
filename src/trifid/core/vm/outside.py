"""Disks made of files outside of the catalogue: how far the paths that users may name reach."""

from collections.abc import Iterable

from trifid.core.template.model import Template

WITHIN = "WITHIN"
"""Key of a DISK, the engine's own: the directory that what its SOURCE leads to must be in."""

Vector = dict[str, str]


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
