"""`oneimage`: images, which disks of VMs are made of, and files that they boot.

Source: reference/xmlrpc.md §5.2 (the commands and columns), reference/api-modern.md §4 (the calls).
"""

from collections.abc import Callable
from typing import Any

import click

from trifid.cli.columns import Row
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.courses import IMAGE_COURSE
from trifid.cli.editing import access_commands, rename_command, update_command
from trifid.cli.image_columns import IMAGE_COLUMNS, TYPES
from trifid.cli.image_create import CREATE
from trifid.cli.kinds import DATASTORE, GROUP, IMAGE, USER
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, TOP_OPTIONS, WHOSE_HELP, Listing, show, whose
from trifid.cli.locks import lock_commands
from trifid.cli.orphans import unnamed_in_templates
from trifid.cli.settle import WAIT_OPTIONS, wait_for, waited
from trifid.cli.shell import Shell
from trifid.cli.vm_schedule import number_of

_ALL_IDS = (-1, -1)
_SAME_DATASTORE = -1

IMAGES = Argument("IMAGE", IMAGE, many=True)
_SNAPSHOT = Argument("SNAPSHOT")
FORCE = click.Option(["--force"], is_flag=True, help="Forget one in error, whose file may stay where it is.")
INTO = click.Option(
    ["-d", "--datastore"], metavar="DATASTORE", help="Where the clone is kept; else where the image is."
)


def _clone(shell: Shell, given: Given) -> None:
    datastore_id = shell.id(DATASTORE, given.datastore) if given.datastore else _SAME_DATASTORE
    clone_id = shell.call("one.image.clone", given.image, given.name, datastore_id)
    shell.made(IMAGE, clone_id)
    wait_for(shell, IMAGE_COURSE, [clone_id], given)


def _delete(shell: Shell, given: Given) -> None:
    done = [one for one in given.image if shell.attempt(IMAGE, one, "one.image.delete", one, given.force)]
    wait_for(shell, IMAGE_COURSE, done, given, is_deletion=True)


def _waiting(
    word: str,
    about: str,
    method: str,
    send: Callable[[Given], tuple[Any, ...]],
    argument: Argument,
    *examples: str,
) -> Command:
    """Return the row of what a datastore's driver does to an image."""
    row = Command(word, about, (IMAGES, argument), method, lambda one, given: (one, *send(given)), examples=examples)
    return waited(row, IMAGE_COURSE)


def _size(given: Given) -> tuple[int]:
    from trifid.cli.vm_devices import mib

    return (mib(given.size),)


def _snapshot(given: Given) -> tuple[int]:
    return (number_of(given.snapshot, "a snapshot", "oneimage show IMAGE"),)


def _flag(word: str, about: str, method: str, value: bool) -> Command:
    return Command(
        word,
        about,
        (IMAGES,),
        method,
        lambda image_id, given: (image_id, value),
        examples=(f"{word} debian", f"{word} 3,5..7"),
    )


_LISTING = Listing(
    IMAGE, IMAGE_COLUMNS, lambda shell, given: ("one.imagepool.info", whose(shell, given.whose), *_ALL_IDS)
)


def _orphaned(shell: Shell) -> Callable[[Row], bool]:
    is_unnamed = unnamed_in_templates(shell, "DISK", "IMAGE")
    return lambda row: row.get("RUNNING_VMS") in ("0", "", None) and is_unnamed(row)


_ORPHANS = _LISTING._replace(only=_orphaned)


def _show(shell: Shell, given: Given) -> None:
    from trifid.cli.image_show import print_image

    show(IMAGE, "image", print_image)(shell, given)


ROWS = (
    CREATE,
    Command(
        "clone",
        "Make a copy of an image.",
        (Argument("IMAGE", IMAGE), Argument("NAME")),
        run=_clone,
        options=(INTO, *WAIT_OPTIONS),
        examples=("clone debian my-debian --wait", "clone 3 my-debian -d fast"),
    ),
    Command(
        "delete",
        "Remove images that no VM uses.",
        (IMAGES,),
        run=_delete,
        options=(FORCE, *WAIT_OPTIONS),
        examples=("delete debian", "delete 3,5..7 --wait"),
    ),
    _flag("enable", "Let VMs use an image.", "one.image.enable", True),
    _flag("disable", "Keep VMs from an image that none uses.", "one.image.enable", False),
    _flag("persistent", "Let what a VM writes stay in an image.", "one.image.persistent", True),
    _flag("nonpersistent", "Give every VM a copy of an image.", "one.image.persistent", False),
    Command(
        "chtype",
        f"Say what an image is: {', '.join(TYPES[:6])}.",
        (IMAGES, Argument("TYPE")),
        "one.image.chtype",
        lambda image_id, given: (image_id, given.type.upper()),
        examples=("chtype 3 DATABLOCK",),
    ),
    _waiting(
        "resize",
        "Make an image larger; SIZE in MiB, or with a unit.",
        "trifid.image.resize",
        _size,
        Argument("SIZE"),
        "resize data 40g --wait",
    ),
    _waiting(
        "snapshot-delete",
        "Forget a snapshot of an image.",
        "one.image.snapshotdelete",
        _snapshot,
        _SNAPSHOT,
        "snapshot-delete data 0",
    ),
    _waiting(
        "snapshot-revert",
        "Bring an image back to what it was in a snapshot.",
        "one.image.snapshotrevert",
        _snapshot,
        _SNAPSHOT,
        "snapshot-revert data 0 --wait",
    ),
    _waiting(
        "snapshot-flatten",
        "Bring an image back to a snapshot, and forget all snapshots.",
        "one.image.snapshotflatten",
        _snapshot,
        _SNAPSHOT,
        "snapshot-flatten data 0 --wait",
    ),
    *lock_commands(IMAGE, "IMAGE"),
    rename_command(IMAGE, "IMAGE"),
    update_command(IMAGE, "IMAGE", "TEMPLATE"),
    *access_commands(IMAGE, "IMAGE", USER, GROUP),
    Command(
        "list",
        "List the images, the newest first.",
        (Argument("WHOSE", optional=True),),
        run=_LISTING.run,
        options=LIST_OPTIONS,
        more=WHOSE_HELP,
        examples=("list", "list m -l ID,NAME,SIZE,STAT,PROGRESS", "list -f STAT=err -l NAME,WHY", "list -j"),
    ),
    Command(
        "orphans",
        "List the images that no VM uses and no VM template names.",
        (Argument("WHOSE", optional=True),),
        run=_ORPHANS.run,
        options=LIST_OPTIONS,
        more=WHOSE_HELP,
        examples=("orphans", "orphans m -l ID,NAME,SIZE"),
    ),
    Command(
        "show",
        "Tell everything about an image: what it is, where it is, who uses it, its snapshots.",
        (IMAGES,),
        run=_show,
        options=SHOW_OPTIONS,
        examples=("show debian", "show 3 -j"),
    ),
    Command(
        "top",
        "List the images again and again.",
        (Argument("WHOSE", optional=True),),
        run=_LISTING.top,
        options=TOP_OPTIONS,
        more=WHOSE_HELP,
        examples=("top", "top -d 5 -l NAME,STAT,PROGRESS"),
    ),
)

main = CommandTable(
    "oneimage",
    "Manage images.  IMAGE stands for ids, names, and lists of them such as 0,2..4.",
    ROWS,
    IMAGE,
    {
        "dockerfile": "not supported: images are made of files and URLs, see oneimage create",
        "publish": 'called chmod today: "oneimage chmod IMAGE 644"',
        "unpublish": 'called chmod today: "oneimage chmod IMAGE 600"',
        "restore": "not supported: there are no backups yet",
    },
)

if __name__ == "__main__":
    main()
