"""`onedatastore show`: one datastore, told to people."""

from typing import Any

from trifid.cli import columns as c
from trifid.cli.figures import share
from trifid.cli.image_columns import IMAGE_COLUMNS, size, word
from trifid.cli.kinds import IMAGE
from trifid.cli.listing import has_colours, pairs, print_template, section
from trifid.cli.shell import Shell
from trifid.cli.vm_show import print_permissions
from trifid.core.image.datastore import DatastoreState, DatastoreType
from trifid.core.image.record import DiskType
from trifid.wire.elements import numbers

_OWN_COLUMNS = "ID,USER,GROUP,NAME,SIZE,TYPE,PER,STAT,RVMS"


def print_datastore(shell: Shell, datastore: dict[str, Any]) -> None:
    """Print everything about a datastore: its room, its drivers, its images."""
    section(shell, f"DATASTORE {datastore['ID']} INFORMATION")
    pairs(
        shell,
        {
            "ID": datastore["ID"],
            "NAME": datastore["NAME"],
            "USER": datastore["UNAME"],
            "GROUP": datastore["GNAME"],
            "CLUSTERS": ",".join(map(str, numbers(datastore.get("CLUSTERS")))),
            "TYPE": word(DatastoreType, datastore["TYPE"]),
            "DS_MAD": datastore.get("DS_MAD"),
            "TM_MAD": datastore.get("TM_MAD"),
            "BASE PATH": datastore.get("BASE_PATH"),
            "DISK TYPE": word(DiskType, datastore["DISK_TYPE"]),
            "STATE": word(DatastoreState, datastore["STATE"]),
        },
    )
    _print_room(shell, datastore)
    print_permissions(shell, datastore)
    print_template(shell, "DATASTORE TEMPLATE", datastore.get("TEMPLATE"))
    ids = set(numbers(datastore.get("IMAGES")))
    if ids:
        section(shell, "IMAGES")
        images = [image for image in shell.all(IMAGE) if int(image["ID"]) in ids]
        chosen = IMAGE_COLUMNS.named(_OWN_COLUMNS)
        shell.say(c.table(images, chosen, c.View(now=shell.now()), header=True, colour=has_colours()))


def _print_room(shell: Shell, datastore: dict[str, Any]) -> None:
    section(shell, "DATASTORE CAPACITY")
    total, used, free = (int(datastore.get(name) or 0) for name in ("TOTAL_MB", "USED_MB", "FREE_MB"))
    if not total:
        pairs(shell, {"TOTAL": "every host has its own, or nothing is known yet"})
        return
    limit = (datastore.get("TEMPLATE") or {}).get("LIMIT_MB")
    pairs(
        shell,
        {
            "TOTAL": size(total),
            "USED": share(used, total, size(used), size(total)),
            "FREE": size(free),
            "LIMIT": size(limit) if limit else None,
        },
    )
