"""`oneimage show`: one image, told to people."""

from typing import Any

from trifid.cli.courses import error_of
from trifid.cli.figures import full_moment
from trifid.cli.image_columns import size, word
from trifid.cli.listing import pairs, print_template, section
from trifid.cli.locks import lock_word
from trifid.cli.shell import Shell
from trifid.cli.snapshot_tables import print_image_snapshots
from trifid.cli.vm_show import print_permissions
from trifid.core.image.record import DiskType, ImageState, ImageType
from trifid.wire.elements import numbers

_NO_IMAGE = -1
_NOT_SHOWN = {"ERROR", "PROGRESS"}


def print_image(shell: Shell, image: dict[str, Any]) -> None:
    """Print everything about an image: what it is, who uses it, its snapshots."""
    section(shell, f"IMAGE {image['ID']} INFORMATION")
    state, attributes = int(image["STATE"]), image.get("TEMPLATE") or {}
    pairs(
        shell,
        {
            "ID": image["ID"],
            "NAME": image["NAME"],
            "USER": image["UNAME"],
            "GROUP": image["GNAME"],
            "DATASTORE": f"{image['DATASTORE']} ({image['DATASTORE_ID']})",
            "TYPE": word(ImageType, image["TYPE"]),
            "DISK TYPE": word(DiskType, image["DISK_TYPE"]),
            "FORMAT": image.get("FORMAT"),
            "FILE SYSTEM": image.get("FS"),
            "SIZE": size(image["SIZE"]),
            "PERSISTENT": "yes: what a VM writes stays in it" if image["PERSISTENT"] == "1" else "no",
            "STATE": word(ImageState, state),
            "LOCK": lock_word(image["LOCK"]) if image.get("LOCK") else "none",
            "REGISTERED": full_moment(image["REGTIME"]),
            "WRITTEN": full_moment(image.get("MODTIME")),
            "MADE FROM": image.get("PATH"),
            "SOURCE": image.get("SOURCE"),
        },
    )
    if attributes.get("PROGRESS"):
        pairs(shell, {"PROGRESS": attributes["PROGRESS"]})
    _print_error(shell, image, state)
    print_permissions(shell, image)
    _print_users(shell, image)
    print_image_snapshots(shell, image)
    shown = {name: value for name, value in attributes.items() if name not in _NOT_SHOWN}
    print_template(shell, "IMAGE TEMPLATE", shown)


def _print_error(shell: Shell, image: dict[str, Any], state: int) -> None:
    error = error_of(image)
    if error and state == ImageState.ERROR:
        pairs(shell, {"WHY": error, "NEXT": f"mend what it names, then oneimage delete {image['ID']} and create again"})
    elif error:
        pairs(shell, {"LAST ERROR": error})


def _print_users(shell: Shell, image: dict[str, Any]) -> None:
    vms, clones = numbers(image.get("VMS")), numbers(image.get("CLONES"))
    told: dict[str, Any] = {}
    if vms:
        told["VMS"] = ",".join(map(str, vms))
    if clones:
        told["CLONES OF IT"] = ",".join(map(str, clones))
    if int(image.get("CLONING_ID") or _NO_IMAGE) != _NO_IMAGE:
        told["CLONE OF"] = f"image {image['CLONING_ID']}, being made"
    if told:
        section(shell, "USED BY")
        pairs(shell, told)
