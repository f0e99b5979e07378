"""Templates that users hand over: from a file, from standard input, from their editor."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from trifid.cli.command import Argument, Command, Given
from trifid.cli.failure import Failure
from trifid.cli.kinds import Kind
from trifid.cli.listing import permissions_flags, template_text
from trifid.cli.shell import Shell

APPEND = click.Option(["-a", "--append"], is_flag=True, help="Keep the attributes that are not named.")
_REPLACE, _MERGE = 0, 1


def read(file: str) -> str:
    """Return the text of a file, of standard input for `-`.

    Raises:
        Failure: it cannot be read.
    """
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "not UTF-8 text"
        raise Failure(f"{file}: {why}", 'name a file that can be read, or "-" for standard input') from fault


def read_all(files: Sequence[str]) -> list[tuple[str, str]]:
    """Return what messages call each file, and its text: all are read before anything is done with one.

    Raises:
        Failure: one of them cannot be read.
    """
    return [("standard input" if file == "-" else file, read(file)) for file in files]


def edited(text: str, suffix: str = ".one") -> str | None:
    """Return the text after the user's editor has had it, None when it was left as it is.

    Raises:
        Failure: there is no terminal to edit at.
    """
    if not sys.stdin.isatty():
        raise Failure("there is no terminal for an editor", "name a file with the new text, or - for standard input")
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    import subprocess
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=suffix, encoding="utf-8") as copy:
        copy.write(text)
        copy.flush()
        try:
            status = subprocess.call([*editor, copy.name])
        except OSError as fault:
            raise Failure(f"{editor[0]}: {fault.strerror}", "set EDITOR to an editor that is installed") from fault
        if status:
            raise Failure(f"{editor[0]} ended with status {status}: nothing was changed", "try again")
        new = Path(copy.name).read_text(encoding="utf-8")
    return new if new != text else None


def update_command(kind: Kind, argument: str, attributes: str) -> Command:
    """Return the row of `update`: a file, or the present attributes in an editor.

    Args:
        attributes: the element that holds what can be updated.
    """

    def run(shell: Shell, given: Given) -> None:
        object_id = getattr(given, argument.lower())
        if given.file is not None:
            new: str | None = read(given.file)
        else:
            old = template_text(shell.one(kind, object_id).get(attributes))
            new = edited(old) if not given.append else edited("")
        if new is None:
            shell.say("Nothing was changed.")
            return
        shell.call(f"{kind.methods}.update", object_id, new, _MERGE if given.append else _REPLACE)

    return Command(
        "update",
        f"Change the attributes of {kind.a_label}: from FILE, - for standard input, or in your editor.",
        (Argument(argument, kind), Argument("FILE", optional=True)),
        run=run,
        options=(APPEND,),
        examples=("update 3", "update 3 attributes.txt --append"),
    )


def rename_command(kind: Kind, argument: str) -> Command:
    """Return the row of `rename`."""
    return Command(
        "rename",
        f"Give {kind.a_label} another name.",
        (Argument(argument, kind, many=True), Argument("NAME")),
        f"{kind.methods}.rename",
        lambda object_id, given: (object_id, given.name),
        examples=("rename 3 another-name",),
    )


def access_commands(kind: Kind, argument: str, user: Kind, group: Kind) -> tuple[Command, ...]:
    """Return the rows of `chown`, `chgrp` and `chmod`."""
    objects = Argument(argument, kind, many=True)
    keep = -1

    def owner(object_id: int, given: Given) -> tuple[int, ...]:
        return object_id, given.user, keep if given.group is None else given.group

    def to_group(object_id: int, given: Given) -> tuple[int, ...]:
        return object_id, keep, given.group

    def mode(object_id: int, given: Given) -> tuple[int, ...]:
        return object_id, *permissions_flags(given.mode)

    return (
        Command(
            "chown",
            f"Give {kind.label}s to another user, and group.",
            (objects, Argument("USER", user), Argument("GROUP", group, optional=True)),
            f"{kind.methods}.chown",
            owner,
            examples=("chown 3,5 alice", "chown 3 alice users"),
        ),
        Command(
            "chgrp",
            f"Give {kind.label}s to another group.",
            (objects, Argument("GROUP", group)),
            f"{kind.methods}.chown",
            to_group,
            examples=("chgrp 3,5 users",),
        ),
        Command(
            "chmod",
            "Set who may do what: three digits for owner, group and others; 4 use, 2 manage, 1 admin.",
            (objects, Argument("MODE")),
            f"{kind.methods}.chmod",
            mode,
            examples=("chmod 3,5..7 640",),
        ),
    )
