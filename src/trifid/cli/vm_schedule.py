"""Actions later: `--schedule` and what goes with it, `sched-update`, `sched-delete`.

Source: reference/api-modern.md §5.1 (SCHED_ACTION).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from trifid.cli.command import Argument, Command, Given
from trifid.cli.editing import edited, read
from trifid.cli.failure import Failure, explain
from trifid.cli.figures import full_moment
from trifid.cli.kinds import VM
from trifid.cli.listing import section
from trifid.cli.shell import Shell

ActionOf = Callable[[Given], tuple[str, tuple[object, ...]]]
"""What was given -> the word of the action and its arguments."""

_WEEKLY, _MONTHLY, _YEARLY, _HOURLY = 0, 1, 2, 3
_REPEATS = {"weekly": _WEEKLY, "monthly": _MONTHLY, "yearly": _YEARLY, "hourly": _HOURLY}
_REPEAT_WORDS = {number: word for word, number in _REPEATS.items()}
_END_TIMES, _END_DATE = 1, 2
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
_TIMES_MAX = 1_000_000
"""Up to here a number after --end counts; a larger one is a moment."""

OPTIONS = (
    click.Option(
        ["--schedule"],
        metavar="TIME",
        help='Not now but then: "2030-01-31 08:00", 08:00, epoch seconds, now, or +SECONDS after the VM was made.',
    ),
    click.Option(["--weekly"], metavar="DAYS", help="Every week on these days, 0 is Sunday: 1,3,5."),
    click.Option(["--monthly"], metavar="DAYS", help="Every month on these days: 1,15."),
    click.Option(["--yearly"], metavar="DAYS", help="Every year on these days, 0 is the first of January: 0,181."),
    click.Option(["--hourly"], metavar="HOURS", help="Again and again after this many hours."),
    click.Option(["--end"], metavar="TIMES|TIME", help="Repeat so many times, or until then."),
)


def schedulable(row: Command, action_of: ActionOf) -> Command:
    """Return the row of an action that can be asked for later as well."""

    def instead(shell: Shell, given: Given) -> bool:
        template = schedule_template(shell, given, *action_of(given))
        if not template:
            return False
        if getattr(given, "wait", None):
            raise Failure("--wait and --schedule do not go together", "leave one of them out")
        for vm_id in given.vm:
            _add(shell, vm_id, template, row.word)
        return True

    return row._replace(options=(*row.options, *OPTIONS), instead=instead)


def _add(shell: Shell, vm_id: int, template: str, word: str) -> None:
    from trifid.client import ApiError

    try:
        action_id = shell.call("one.vm.schedadd", vm_id, template)
    except ApiError as refused:
        shell.complain(explain(refused, VM.command, vm_id))
        return
    shell.done(VM, vm_id)
    shell.say(f"VM {vm_id}: {word} scheduled, ID: {action_id}")


def schedule_template(shell: Shell, given: Given, action: str, arguments: tuple[object, ...]) -> str:
    """Return the SCHED_ACTION that the options describe, empty when none of them was given.

    Raises:
        Failure: they contradict each other, or a time cannot be read.
    """
    repeats = [word for word in _REPEATS if getattr(given, word) is not None]
    if given.schedule is None and not repeats:
        if given.end is not None:
            raise Failure(
                "--end says when something that repeats ends", "add --weekly, --monthly, --yearly or --hourly"
            )
        return ""
    if len(repeats) > 1:
        raise Failure(f"--{' and --'.join(repeats)} do not go together", "schedule the action twice")
    if given.end is not None and not repeats:
        raise Failure("--end says when something that repeats ends", "add --weekly, --monthly, --yearly or --hourly")
    now = shell.now()
    values: dict[str, object] = {"ACTION": action, "TIME": moment_of(given.schedule or "now", now)}
    if words := [str(word) for word in arguments if word is not None]:
        values["ARGS"] = ",".join(words)
    if repeats:
        values |= {"REPEAT": _REPEATS[repeats[0]], "DAYS": getattr(given, repeats[0])}
    if given.end is not None:
        is_count = given.end.isdigit() and int(given.end) <= _TIMES_MAX
        values |= {
            "END_TYPE": _END_TIMES if is_count else _END_DATE,
            "END_VALUE": given.end if is_count else moment_of(given.end, now),
        }
    return f"SCHED_ACTION = [ {', '.join(f'{name} = {_quoted(value)}' for name, value in values.items())} ]"


def _quoted(value: object) -> str:
    text = str(value)
    if '"' in text:
        raise Failure(f"{text} cannot be scheduled with a quotation mark in it", "leave it out")
    return f'"{text}"'


def moment_of(text: str, now: int) -> str:
    """Return a TIME as the engine takes it; raises Failure."""
    text = text.strip()
    if text == "now":
        return str(now)
    if text.removeprefix("+").isdigit():
        return text
    for form in _FORMATS:
        try:
            return str(int(datetime.strptime(text, form).timestamp()))
        except ValueError:
            continue
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            clock = datetime.strptime(text, form)
        except ValueError:
            continue
        at = datetime.fromtimestamp(now).replace(hour=clock.hour, minute=clock.minute, second=clock.second)
        if at.timestamp() <= now:
            raise Failure(f"{text} is over today", "give the date as well, such as 2030-01-31 08:00")
        return str(int(at.timestamp()))
    raise Failure(f"{text} is not a time", 'such as "2030-01-31 08:00", 08:00, now, or +3600')


def _update(shell: Shell, given: Given) -> None:
    if given.file is not None:
        new: str | None = read(given.file)
    else:
        old = _found(shell, given.vm, given.action)
        kept = ("ACTION", "ARGS", "TIME", "REPEAT", "DAYS", "END_TYPE", "END_VALUE", "WARNING")
        inner = ",\n  ".join(f'{name} = "{old.get(name) or ""}"' for name in kept)
        new = edited(f"SCHED_ACTION = [\n  {inner} ]\n")
    if new is None:
        shell.say("Nothing was changed.")
        return
    shell.call("one.vm.schedupdate", given.vm, number_of(given.action, "a scheduled action"), new)


def _found(shell: Shell, vm_id: int, action_id: str) -> dict[str, Any]:
    for one in scheduled_actions(shell.one(VM, vm_id)):
        if one.get("ID") == action_id:
            return one
    raise Failure(f"VM {vm_id} has no scheduled action {action_id}", f'see "onevm show {vm_id}"')


def scheduled_actions(vm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the scheduled actions in a VM's document."""
    from trifid.wire.elements import several

    return [one for one in several((vm.get("TEMPLATE") or {}).get("SCHED_ACTION")) if isinstance(one, dict)]


def print_schedule(shell: Shell, vm: dict[str, Any]) -> None:
    """Print the scheduled actions of a VM, and what came of them."""
    actions = scheduled_actions(vm)
    if not actions:
        return
    section(shell, "SCHEDULED ACTIONS")
    for one in actions:
        words = " ".join([str(one.get("ACTION")), *(str(one.get("ARGS") or "").split(","))]).strip()
        when = full_moment(str(one.get("TIME") or "0"))
        repeat = _REPEAT_WORDS.get(int(one.get("REPEAT") or -1), "")
        again = f", {repeat} {one.get('DAYS') or ''}" if repeat else ""
        done = str(one.get("DONE") or "-1")
        outcome = "" if done == "-1" else f"; done {full_moment(done)}"
        if one.get("MESSAGE"):
            outcome = f"; failed {full_moment(done)}: {one['MESSAGE']}"
        shell.say(f"{one.get('ID'):>4}  {words}  {when}{again}{outcome}")


def _delete(shell: Shell, given: Given) -> None:
    shell.call("one.vm.scheddelete", given.vm, number_of(given.action, "a scheduled action"))


def number_of(word: str, what: str, shown_by: str = "onevm show VM") -> int:
    """Return the id that a word is; raises Failure."""
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise Failure(f"{word} is not the id of {what}", f'see "{shown_by}"')
    return int(word)


SCHEDULE_ROWS = (
    Command(
        "sched-update",
        "Change a scheduled action: from FILE, - for standard input, or in your editor.",
        (Argument("VM", VM), Argument("ACTION"), Argument("FILE", optional=True)),
        run=_update,
        examples=("sched-update 3 7", "sched-update 3 7 action.txt"),
    ),
    Command(
        "sched-delete",
        "Take a scheduled action back.",
        (Argument("VM", VM), Argument("ACTION")),
        run=_delete,
        examples=("sched-delete 3 7",),
    ),
)
