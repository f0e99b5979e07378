"""The datastore driver that keeps nothing: its answers have the form of real ones, its sorrows are those asked for."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.harness import DriverProcess, python_driver, running
from trifid.wire.image_action import ImageActionData, render
from trifid.wire.lines import Message

COMMAND = python_driver("trifid.drivers.ds.dummy")
SOURCE = "/ds/1/abc"


@contextlib.contextmanager
def images(home: Path, arguments: str = "") -> Iterator[DriverProcess]:
    with running(COMMAND, arguments, home=home) as driver:
        yield driver


def do(driver: DriverProcess, verb: str, step: int = 1, oid: int = 5, **data: object) -> Message:
    driver.ask(verb, oid, render(ImageActionData(step=step, source=SOURCE, **data)))  # type: ignore[arg-type]
    return driver.answer(verb, oid)


@pytest.mark.parametrize(
    ("verb", "data", "told"),
    [
        ("CP", {}, f"{SOURCE} raw 1"),
        ("CP", {"size_mib": 64, "format": "qcow2"}, f"{SOURCE} qcow2 64"),
        ("MKFS", {"size_mib": 10}, f"{SOURCE} raw 10"),
        ("CLONE", {"size_mib": 64, "clone_format": "qcow2"}, f"{SOURCE} qcow2 64"),
        ("RM", {}, "-"),
        ("RESIZE", {"size_mib": 100}, "100"),
        ("SNAP_DELETE", {"snapshot_id": 1}, "-"),
        ("SNAP_REVERT", {"snapshot_id": 1}, "-"),
        ("SNAP_FLATTEN", {"snapshot_id": 1}, "-"),
    ],
)
def test_every_verb_is_answered_in_its_form(tmp_path: Path, verb: str, data: dict[str, object], told: str) -> None:
    with images(tmp_path) as driver:
        answer = do(driver, verb, **data)
        assert (answer.status, answer.payload) == ("SUCCESS", told)


def test_questions_have_no_step_and_are_answered_after_any_action(tmp_path: Path) -> None:
    with images(tmp_path) as driver:
        do(driver, "CP", 7)
        assert do(driver, "STAT", 0, size_mib=3).payload == "3 raw"
        assert do(driver, "MONITOR", 0, 2**53).payload == "USED_MB=0 TOTAL_MB=1048576 FREE_MB=1048576"


def test_what_is_out_of_date_is_refused_also_after_a_restart(tmp_path: Path) -> None:
    with images(tmp_path) as driver:
        do(driver, "RM", 2)
    with images(tmp_path) as driver:
        answer = do(driver, "CP", 1)
        assert (answer.status, answer.payload) == ("FAILURE", "step 1 is out of date, step 2 was seen already")
        assert do(driver, "CP", 1, oid=6).status == "SUCCESS"


def test_a_payload_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    with images(tmp_path) as driver:
        driver.ask("CP", 5, "nonsense!")
        assert driver.answer("CP", 5).status == "FAILURE"


def test_a_failure_says_its_text(tmp_path: Path) -> None:
    with images(tmp_path, '--fail "CP=1:no space left"') as driver:
        answer = do(driver, "CP")
        assert (answer.status, answer.payload) == ("FAILURE", "no space left")


def test_options_that_cannot_be_meant_are_told_on_stderr(tmp_path: Path) -> None:
    with running(COMMAND, "--nonsense", home=tmp_path, init=False) as driver:
        assert driver.wait() == 1
        assert "trifid-ds-dummy: " in driver.stderr.read_text()


def test_the_dummy_transfer_driver_tells_room_as_well(tmp_path: Path) -> None:
    with running(python_driver("trifid.drivers.tm.dummy"), "", home=tmp_path) as driver:
        assert do(driver, "MONITOR", 0, 2**53).payload == "USED_MB=0 TOTAL_MB=1048576 FREE_MB=1048576"
