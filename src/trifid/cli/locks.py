"""The sub-commands lock and unlock, the same for everything that has a lock."""

from typing import Any

import click

from trifid.cli.command import Argument, Command, Given
from trifid.cli.failure import Failure
from trifid.cli.kinds import Kind

LEVELS = {"use": 1, "manage": 2, "admin": 3, "all": 4}
"""reference/api-modern.md §4 (lock)."""


def lock_commands(kind: Kind, argument: str) -> tuple[Command, Command]:
    """Return the rows of `lock` and `unlock`."""
    objects = Argument(argument, kind, many=True)
    return (
        Command(
            "lock",
            f"Forbid everybody to change {kind.a_label}, administrators too, until it is unlocked.",
            (objects,),
            f"{kind.methods}.lock",
            _lock,
            options=(
                click.Option(["--use"], is_flag=True, help="Forbid what needs USE, MANAGE or ADMIN."),
                click.Option(["--manage"], is_flag=True, help="Forbid what needs MANAGE or ADMIN."),
                click.Option(["--admin"], is_flag=True, help="Forbid what needs ADMIN."),
                click.Option(["--all"], is_flag=True, help="Forbid everything, as without any of these."),
            ),
            examples=("lock 3", "lock 3,5..7 --admin"),
        ),
        Command(
            "unlock",
            f"Take the lock of {kind.a_label} away.",
            (objects,),
            f"{kind.methods}.unlock",
            examples=("unlock 3",),
        ),
    )


def lock_word(lock: dict[str, Any]) -> str:
    """Return how far an object is locked, and by whom, from the LOCK of its document."""
    level = {"1": "all", "2": "manage", "3": "admin"}.get(lock.get("LOCKED", ""), lock.get("LOCKED"))
    return f"{level}, by user {lock.get('OWNER', '?')}"


def _lock(object_id: int, given: Given) -> tuple[Any, ...]:
    chosen = [word for word in LEVELS if getattr(given, word)]
    if len(chosen) > 1:
        raise Failure(f"--{' and --'.join(chosen)} do not go together", "--all is the strongest")
    return object_id, LEVELS[chosen[0] if chosen else "all"], False
