"""When scheduled actions are due, what they may say, and when they end."""

import datetime

import pytest

from trifid.core.vm.schedule import ScheduledAction, as_vector, carried_out, scheduled
from trifid.errors import BadTemplate

DAY_S = 86400
UTC = datetime.UTC


class Utc:
    """The calendar of Greenwich, without summer time."""

    def day(self, at: int) -> tuple[int, int, int]:
        date = datetime.datetime.fromtimestamp(at, UTC)
        return date.isoweekday() % 7, date.day, date.timetuple().tm_yday - 1

    def days_later(self, at: int, days: int) -> int:
        return at + days * DAY_S


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(f"{text}+00:00").timestamp())


WEDNESDAY = at("2025-01-01T08:00")


def action(now: int = WEDNESDAY - DAY_S, **values: object) -> ScheduledAction:
    vector = {"ACTION": "suspend", "TIME": str(WEDNESDAY), **{name: str(value) for name, value in values.items()}}
    return scheduled(vector, action_id=4, uid=7, start=1000, now=now, calendar=Utc())


def dues(one: ScheduledAction, count: int) -> list[str]:
    """The moments at which it is carried out, each in time."""
    found = []
    while len(found) < count and not one.is_over:
        found.append(datetime.datetime.fromtimestamp(one.time, UTC).strftime("%Y-%m-%dT%H:%M"))
        one = carried_out(one, one.time, "", Utc())
    return found


def test_an_action_that_does_not_repeat_is_over_after_once() -> None:
    one = action()
    assert (one.time, one.done, one.is_over) == (WEDNESDAY, -1, False)
    after = carried_out(one, WEDNESDAY + 3, "no room", Utc())
    assert (after.done, after.message, after.is_over) == (WEDNESDAY + 3, "no room", True)


def test_a_time_with_a_plus_counts_from_the_start_of_the_vm() -> None:
    assert action(TIME="+600").time == 1600


@pytest.mark.parametrize(
    ("repeat", "days", "expected"),
    [
        (0, "1,5", ["2025-01-03T08:00", "2025-01-06T08:00", "2025-01-10T08:00"]),
        (0, "3", ["2025-01-01T08:00", "2025-01-08T08:00", "2025-01-15T08:00"]),
        (1, "31", ["2025-01-31T08:00", "2025-03-31T08:00", "2025-05-31T08:00"]),
        (2, "0,59", ["2025-01-01T08:00", "2025-03-01T08:00", "2026-01-01T08:00"]),
        (2, "365", ["2028-12-31T08:00", "2032-12-31T08:00"]),
        (3, "5", ["2025-01-01T08:00", "2025-01-01T13:00", "2025-01-01T18:00"]),
    ],
    ids=["weekly", "weekly-first-at-its-time", "monthly", "yearly", "leap-years", "hourly"],
)
def test_an_action_repeats(repeat: int, days: str, expected: list[str]) -> None:
    assert dues(action(REPEAT=repeat, DAYS=days), len(expected)) == expected


@pytest.mark.parametrize(("repeat", "days"), [(0, "0,1,2,3,4,5,6"), (3, "24")])
def test_times_that_were_missed_are_made_up_for_by_one(repeat: int, days: str) -> None:
    after = carried_out(action(REPEAT=repeat, DAYS=days), WEDNESDAY + 10 * DAY_S + 5, "", Utc())
    assert after.time == WEDNESDAY + 11 * DAY_S


def test_a_repeating_action_that_began_long_ago_is_due_at_its_next_time() -> None:
    one = action(now=at("2040-06-05T09:00"), REPEAT=0, DAYS="0,1,2,3,4,5,6")
    assert one.time == at("2040-06-06T08:00")


def test_an_action_ends_after_a_number_of_times() -> None:
    assert len(dues(action(REPEAT=3, DAYS=1, END_TYPE=1, END_VALUE=3), 10)) == 3


def test_an_action_ends_at_a_date() -> None:
    last = at("2025-01-15T08:00")
    assert len(dues(action(REPEAT=0, DAYS=3, END_TYPE=2, END_VALUE=last), 10)) == 3
    with pytest.raises(BadTemplate, match="ends before it is due"):
        action(REPEAT=0, DAYS=3, END_TYPE=2, END_VALUE=WEDNESDAY - 1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ACTION": "fly"}, 'ACTION must be one of .* is "fly"'),
        ({"ACTION": ""}, "ACTION must be one of"),
        ({"TIME": ""}, "TIME must be epoch seconds"),
        ({"TIME": "tomorrow"}, 'is "tomorrow"'),
        ({"TIME": "9" * 30}, "TIME must be"),
        ({"REPEAT": 4, "DAYS": 1}, "REPEAT must be"),
        ({"REPEAT": "--1"}, "REPEAT must be"),
        ({"REPEAT": 0}, "DAYS must be days of the week"),
        ({"REPEAT": 0, "DAYS": "7"}, "DAYS must be days of the week"),
        ({"REPEAT": 1, "DAYS": "0"}, "DAYS must be days of the month"),
        ({"REPEAT": 3, "DAYS": "1,2"}, "number of hours"),
        ({"REPEAT": 3, "DAYS": "0"}, "number of hours"),
        ({"END_TYPE": 1}, "needs an END_VALUE"),
        ({"END_TYPE": 3}, "END_TYPE must be"),
        ({"ARGS": "1"}, "suspend takes 0 arguments"),
        ({"ACTION": "snapshot-revert"}, "takes 1 arguments"),
        ({"ACTION": "snapshot-revert", "ARGS": "first"}, "must begin with ids"),
        ({"ACTION": "disk-snapshot-create", "ARGS": "a,b"}, "must begin with ids"),
    ],
)
def test_what_cannot_be_scheduled_is_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(BadTemplate, match=said):
        action(**values)


def test_documents_have_it_in_the_order_of_the_schema() -> None:
    one = action(ACTION="disk-snapshot-create", ARGS="0, nightly", REPEAT=0, DAYS="5,1,1")
    vector = as_vector(one, 12)
    order = "ID PARENT_ID TYPE ACTION ARGS TIME REPEAT DAYS END_TYPE END_VALUE DONE MESSAGE WARNING"
    assert " ".join(vector) == order
    assert (vector["PARENT_ID"], vector["ARGS"], vector["DAYS"]) == ("12", "0,nightly", "1,5")
    assert scheduled(vector, action_id=4, uid=7, start=0, now=WEDNESDAY, calendar=Utc()) == one
