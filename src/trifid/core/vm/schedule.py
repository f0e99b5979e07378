"""Scheduled actions: what shall be done to a VM, when, and when again.  Pure: the calendar is handed in.

Source: reference/api-modern.md §5.1 (SCHED_ACTION): REPEAT 0 weekly (DAYS 0 = Sunday … 6), 1 monthly (DAYS of the
month), 2 yearly (DAYS 0 … 365 of the year), 3 hourly (DAYS = hours between); END_TYPE 0 never, 1 after END_VALUE
times, 2 at END_VALUE (epoch seconds).
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec
from msgspec.structs import replace

from trifid.errors import BadTemplate

ONCE, WEEKLY, MONTHLY, YEARLY, HOURLY = -1, 0, 1, 2, 3
NO_END, NEVER, TIMES, DATE = -1, 0, 1, 2
NOT_DONE = -1
ACTIONS_MAX = 100
"""Most scheduled actions of one VM."""

_HOUR_S = 3600
_DAYS_LOOKED_AT = 9 * 366
"""The last day of leap years comes at least every eight years."""
_DAYS: dict[int, tuple[int, int, str]] = {
    WEEKLY: (0, 6, "days of the week, 0 = Sunday … 6"),
    MONTHLY: (1, 31, "days of the month, 1 … 31"),
    YEARLY: (0, 365, "days of the year, 0 … 365"),
    HOURLY: (1, 8760, "the number of hours between, 1 … 8760"),
}
_NUMBER_MAX = 32_503_680_000
"""Epoch seconds of the year 3000: no calendar fails before."""

ACTIONS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        (
            *("terminate", "terminate-hard", "undeploy", "undeploy-hard", "poweroff", "poweroff-hard"),
            *("reboot", "reboot-hard", "hold", "release", "stop", "suspend", "resume", "resched", "unresched"),
        ),
        (0, 0),
    ),
    "snapshot-create": (0, 1),
    "snapshot-revert": (1, 1),
    "snapshot-delete": (1, 1),
    "disk-snapshot-create": (1, 2),
    "disk-snapshot-revert": (2, 2),
    "disk-snapshot-delete": (2, 2),
}
"""What can be scheduled, with the least and the most arguments; they are separated by commas."""

ADMIN_ACTIONS = frozenset({"resched", "unresched"})
"""Those that need ADMIN on the VM; the others need MANAGE."""


class Calendar(Protocol):
    """Days and hours where the engine runs."""

    def day(self, at: int) -> tuple[int, int, int]:
        """Return the day of the week (0 = Sunday), of the month (from 1) and of the year (from 0) of a moment."""

    def days_later(self, at: int, days: int) -> int:
        """Return the moment some days later at the same time of the day."""


class ScheduledAction(msgspec.Struct, frozen=True):
    """Something that shall be done to a VM.

    Attributes:
        id: unique in the engine, never given again.
        uid: on whose behalf: who scheduled it.
        action, args: a key of `ACTIONS` and its arguments, separated by commas.
        time: when it is due next, or was due last; epoch seconds.
        repeat: ONCE, or how it repeats; `days` tell when.
        end_type, end_value: when it ends; with TIMES the value counts down.
        done: when it was carried out last, -1 = not yet.
        message: why it could not be done the last time; empty when it could.
        warning: how many seconds before, a user wants to be warned; -1 = not.  Kept for user interfaces.
        is_over: it will not be done again.
    """

    id: int
    uid: int
    action: str
    time: int
    args: str = ""
    repeat: int = ONCE
    days: tuple[int, ...] = ()
    end_type: int = NO_END
    end_value: int = -1
    done: int = NOT_DONE
    message: str = ""
    warning: int = -1
    is_over: bool = False

    @property
    def arguments(self) -> list[str]:
        """The arguments, one by one."""
        return [word.strip() for word in self.args.split(",")] if self.args else []


def scheduled(
    vector: Mapping[str, str], *, action_id: int, uid: int, start: int, now: int, calendar: Calendar
) -> ScheduledAction:
    """Return the action that a SCHED_ACTION describes.

    Args:
        start: what a TIME of `+SECONDS` counts from: the VM's own start.

    Raises:
        BadTemplate: an attribute is missing or has a value that it does not take.
    """
    action = vector.get("ACTION", "").lower()
    if action not in ACTIONS:
        raise BadTemplate(f'SCHED_ACTION: ACTION must be one of {", ".join(ACTIONS)}, is "{action[:60]}"')
    made = ScheduledAction(
        id=action_id,
        uid=uid,
        action=action,
        time=_time(vector.get("TIME", ""), start),
        args=_args(action, vector.get("ARGS", "")),
        repeat=_number(vector, "REPEAT", ONCE, "-1 once, 0 weekly, 1 monthly, 2 yearly or 3 hourly", ONCE, HOURLY),
        end_type=_number(vector, "END_TYPE", NO_END, "0 never, 1 after a number of times or 2 at a date", NO_END, DATE),
        end_value=_number(vector, "END_VALUE", -1, "a number of times or epoch seconds", -1, _NUMBER_MAX),
        warning=_number(vector, "WARNING", -1, "a number of seconds", -1, _NUMBER_MAX),
    )
    made = replace(made, days=_days(made.repeat, vector.get("DAYS", "")))
    if made.end_type in (TIMES, DATE) and made.end_value < 1:
        raise BadTemplate(f"SCHED_ACTION: END_TYPE {made.end_type} needs an END_VALUE of at least 1")
    if made.repeat == ONCE:
        return made
    due = next_due(made, now - 1, calendar)
    if due is None or _is_past(made, due):
        raise BadTemplate("SCHED_ACTION: it ends before it is due for the first time: change TIME or END_VALUE")
    return replace(made, time=due)


def as_vector(one: ScheduledAction, vm_id: int) -> dict[str, str]:
    """Return the action as documents have it, in the schema's order."""
    return {
        "ID": str(one.id),
        "PARENT_ID": str(vm_id),
        "TYPE": "VM",
        "ACTION": one.action,
        "ARGS": one.args,
        "TIME": str(one.time),
        "REPEAT": str(one.repeat),
        "DAYS": ",".join(map(str, one.days)),
        "END_TYPE": str(one.end_type),
        "END_VALUE": str(one.end_value),
        "DONE": str(one.done),
        "MESSAGE": one.message,
        "WARNING": str(one.warning),
    }


def carried_out(one: ScheduledAction, now: int, message: str, calendar: Calendar) -> ScheduledAction:
    """Return the action after it was tried: with its outcome, and due again if it repeats.

    Times that went by while nobody looked are not made up for.
    """
    one = replace(one, done=now, message=message)
    if one.end_type == TIMES:
        one = replace(one, end_value=one.end_value - 1)
    due = None if one.repeat == ONCE or (one.end_type == TIMES and one.end_value < 1) else next_due(one, now, calendar)
    if due is None or _is_past(one, due):
        return replace(one, is_over=True)
    return replace(one, time=due)


def next_due(one: ScheduledAction, after: int, calendar: Calendar) -> int | None:
    """Return when a repeating action is due for the first time after a moment, never before its own time.

    None when there is no such day.
    """
    if one.repeat == HOURLY:
        step = one.days[0] * _HOUR_S
        return one.time if one.time > after else one.time + ((after - one.time) // step + 1) * step
    which = {WEEKLY: 0, MONTHLY: 1, YEARLY: 2}[one.repeat]
    skipped = max(0, (after - one.time) // (24 * _HOUR_S) - 1)
    for later in range(skipped, skipped + _DAYS_LOOKED_AT):
        at = calendar.days_later(one.time, later)
        if at > after and calendar.day(at)[which] in one.days:
            return at
    return None


def _is_past(one: ScheduledAction, due: int) -> bool:
    return one.end_type == DATE and due > one.end_value


def _time(text: str, start: int) -> int:
    number = text.removeprefix("+")
    if not (number.isascii() and number.isdigit()) or int(number) > _NUMBER_MAX:
        raise BadTemplate(
            f'SCHED_ACTION: TIME must be epoch seconds, or +SECONDS after the start of the VM, is "{text[:60]}"'
        )
    return start + int(number) if text.startswith("+") else int(number)


def _args(action: str, args: str) -> str:
    words = [word.strip() for word in args.split(",")] if args.strip() else []
    least, most = ACTIONS[action]
    if not least <= len(words) <= most:
        takes = str(most) if least == most else f"{least} to {most}"
        raise BadTemplate(f'SCHED_ACTION: {action} takes {takes} arguments in ARGS, has "{args[:60]}"')
    numbers = len(words) if action.endswith(("-revert", "-delete")) else least
    if not all(word.isascii() and word.isdigit() and len(word) < 10 for word in words[:numbers]):
        raise BadTemplate(f'SCHED_ACTION: ARGS of {action} must begin with ids, is "{args[:60]}"')
    return ",".join(words)


def _number(vector: Mapping[str, str], key: str, default: int, expected: str, least: int, most: int) -> int:
    text = vector.get(key, "").strip()
    if not text:
        return default
    number = text.removeprefix("-")
    if not (number.isascii() and number.isdigit() and len(number) < 20 and least <= int(text) <= most):
        raise BadTemplate(f'SCHED_ACTION: {key} must be {expected}, is "{text[:60]}"')
    return int(text)


def _days(repeat: int, text: str) -> tuple[int, ...]:
    if repeat == ONCE:
        return ()
    least, most, expected = _DAYS[repeat]
    words = [word.strip() for word in text.split(",") if word.strip()]
    if all(word.isascii() and word.isdigit() and len(word) < 5 and least <= int(word) <= most for word in words):
        numbers = sorted({int(word) for word in words})
        if numbers and (repeat != HOURLY or len(numbers) == 1):
            return tuple(numbers)
    raise BadTemplate(f'SCHED_ACTION: DAYS must be {expected}, is "{text[:60]}"')
