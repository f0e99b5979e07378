"""The kit: ordered, fenced, answered once, and nothing left behind."""

import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.harness import DriverProcess, running

WORKERS = 3
DRIVER = """
import os, sys, threading
from trifid.drivers.kit import Failure, Kit
from trifid.errors import DriverFault

meeting = threading.Barrier(2)

def echo(request):
    return request.payload

def fail(request):
    raise Failure("the bridge is missing")

def crash(request):
    return {}["nothing"]

def read(request):
    return open("/does/not/exist").read()

def meet(request):
    meeting.wait(15)
    return ""

def wait(request):
    request.log("waiting", "D")
    request.wait(600)
    return ""

def print_(request):
    print("this is from a library", flush=True)
    os.system("echo and this from a program")
    return ""

def run(request):
    return request.run(*request.payload.split(",")).strip()

def hurry(request):
    return request.run("sleep", "600", timeout_s=0.1)

def sleep(request):
    request.log("pid of the driver: %d" % os.getpid())
    return request.run("sh", "-c", "echo $$ > child.pid; exec sleep 600")

def lines(request):
    return "one\\ntwo"

def step_of(payload):
    first = payload.split(",")[0]
    if first == "unreadable":
        raise DriverFault("the payload cannot be read")
    return int(first) if first.isdigit() else 0

VERBS = {"ECHO": echo, "FAIL": fail, "CRASH": crash, "READ": read, "MEET": meet, "WAIT": wait, "PRINT": print_,
         "RUN": run, "HURRY": hurry, "SLEEP": sleep, "LINES": lines}

def begin(kit):
    if sys.argv[1] == "refuse":
        raise Failure("no hypervisor here")

Kit("toy", VERBS, step_of=step_of, begin=begin, workers=3).run()
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    path = tmp_path / "toy.py"
    path.write_text(DRIVER)
    return [sys.executable, str(path)]


@pytest.fixture
def driver(command: list[str], tmp_path: Path) -> Iterator[DriverProcess]:
    with running(command, home=tmp_path) as driver:
        yield driver


def outcome(driver: DriverProcess, word: str, payload: str = "-", oid: int = 1) -> tuple[str, str]:
    driver.ask(word, oid, payload)
    answer = driver.answer(word, oid)
    return answer.status, answer.payload


def test_what_a_verb_returns_is_told(driver: DriverProcess) -> None:
    assert outcome(driver, "ECHO", "one-12") == ("SUCCESS", "one-12")


def test_a_failure_is_told_in_its_words(driver: DriverProcess) -> None:
    assert outcome(driver, "FAIL") == ("FAILURE", "the bridge is missing")


def test_a_bug_is_a_failure_and_not_the_end(driver: DriverProcess) -> None:
    assert outcome(driver, "CRASH") == ("FAILURE", "bug in toy: KeyError: 'nothing'")
    assert "KeyError" in driver.stderr.read_text()
    assert outcome(driver, "ECHO", "still here") == ("SUCCESS", "still here")


def test_a_fault_of_the_system_names_the_file(driver: DriverProcess) -> None:
    assert outcome(driver, "READ") == ("FAILURE", "/does/not/exist: No such file or directory")


def test_an_unknown_word_is_answered_with_those_that_are_known(driver: DriverProcess) -> None:
    status, info = outcome(driver, "BREW")
    assert status == "FAILURE"
    assert info.startswith("toy does not know BREW, it knows ECHO, FAIL")


def test_a_payload_that_cannot_be_read_is_answered_in_its_turn(driver: DriverProcess) -> None:
    driver.ask("WAIT", 1)
    driver.ask("ECHO", 1, "unreadable")
    driver.wait_for_log("waiting")
    driver.ask("DRIVER_CANCEL", 1)
    heard = [driver.answer(oid=1) for _ in range(2)]
    assert [m.type for m in heard] == ["WAIT", "ECHO"]
    assert heard[1].status == "FAILURE"


def test_different_objects_are_served_side_by_side(driver: DriverProcess) -> None:
    for oid in range(1, 5):
        driver.ask("MEET", oid)
    assert {driver.answer("MEET").status for _ in range(4)} == {"SUCCESS"}


def test_an_object_does_not_wait_for_another_when_a_worker_is_free(driver: DriverProcess) -> None:
    outcome(driver, "ECHO")
    for oid in (2, 3):
        driver.ask("WAIT", oid)
    assert outcome(driver, "ECHO", "at once", oid=4) == ("SUCCESS", "at once")


def test_one_object_is_served_in_order(driver: DriverProcess) -> None:
    for number in range(50):
        driver.ask("ECHO", 1, f"x{number}")
    assert [driver.answer("ECHO", 1).payload for _ in range(50)] == [f"x{number}" for number in range(50)]


def test_a_flood_is_answered_once_each_by_a_few_threads(driver: DriverProcess) -> None:
    for oid in range(1000):
        driver.ask("ECHO", oid, f"x{oid}")
    assert sorted(driver.answer("ECHO").oid for _ in range(1000)) == list(range(1000))
    status = Path(f"/proc/{driver.process.pid}/status").read_text()
    threads = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:"))
    assert threads <= WORKERS + 1
    assert driver.rest() == []


def test_a_cancelled_request_fails_at_once_and_those_behind_it_too(driver: DriverProcess) -> None:
    driver.ask("WAIT", 1)
    driver.ask("ECHO", 1, "never")
    driver.wait_for_log("waiting")
    driver.ask("DRIVER_CANCEL", 1)
    driver.ask("ECHO", 1, "afterwards")
    heard = [driver.answer(oid=1) for _ in range(3)]
    assert [(m.type, m.status) for m in heard] == [("WAIT", "FAILURE"), ("ECHO", "FAILURE"), ("ECHO", "SUCCESS")]
    assert heard[0].payload == "cancelled by the engine"
    assert heard[2].payload == "afterwards"


def test_a_program_that_runs_is_ended_by_a_cancel(driver: DriverProcess) -> None:
    driver.ask("SLEEP", 1)
    driver.wait_for_log("pid of the driver")
    driver.ask("DRIVER_CANCEL", 1)
    assert driver.answer("SLEEP", 1).payload == "cancelled by the engine"


def test_what_a_program_prints_is_returned(driver: DriverProcess) -> None:
    assert outcome(driver, "RUN", "printf,hello") == ("SUCCESS", "hello")


def test_a_program_that_fails_is_quoted(driver: DriverProcess) -> None:
    status, info = outcome(driver, "RUN", "ls,/does/not/exist")
    assert status == "FAILURE"
    assert info.startswith("ls /does/not/exist: ")
    assert "No such file" in info


def test_a_program_that_fails_without_a_word_tells_its_status(driver: DriverProcess) -> None:
    assert outcome(driver, "RUN", "false") == ("FAILURE", "false: exit status 1")


def test_a_program_that_is_not_there_is_named(driver: DriverProcess) -> None:
    status, info = outcome(driver, "RUN", "no-such-program")
    assert (status, info[:26]) == ("FAILURE", "cannot run no-such-program")


def test_a_program_that_is_too_slow_is_ended(driver: DriverProcess) -> None:
    assert outcome(driver, "HURRY") == ("FAILURE", "sleep 600 was not done after 0.1 s")


def test_what_libraries_and_programs_print_does_not_get_among_the_messages(driver: DriverProcess) -> None:
    assert outcome(driver, "PRINT") == ("SUCCESS", "-")
    assert "this is from a library" in driver.stderr.read_text()
    assert "and this from a program" in driver.stderr.read_text()


def test_line_ends_in_an_answer_become_blanks(driver: DriverProcess) -> None:
    assert outcome(driver, "LINES") == ("SUCCESS", "one two")


def test_what_was_begun_ends_with_the_driver(driver: DriverProcess, tmp_path: Path) -> None:
    driver.ask("SLEEP", 1)
    driver.wait_for_log("pid of the driver")
    pid_file = tmp_path / "child.pid"
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert outcome(driver, "ECHO", "x", oid=2)[0] == "SUCCESS"
    child = os.pidfd_open(int(pid_file.read_text()))
    driver.close_stdin()
    driver.wait()
    ended, _, _ = select.select([child], [], [], 10)
    os.close(child)
    assert ended


def test_a_lower_step_is_refused_and_an_equal_one_is_not(driver: DriverProcess) -> None:
    assert outcome(driver, "ECHO", "7,a")[0] == "SUCCESS"
    assert outcome(driver, "ECHO", "7,b")[0] == "SUCCESS"
    status, info = outcome(driver, "ECHO", "6,c")
    assert status == "FAILURE"
    assert info.startswith("step 6 is out of date, step 7 was seen already")
    assert outcome(driver, "ECHO", "6,c", oid=2)[0] == "SUCCESS"


def test_the_fence_holds_for_the_next_process(command: list[str], tmp_path: Path) -> None:
    for payload, expected in (("100,a", "SUCCESS"), ("99,b", "FAILURE"), ("101,c", "SUCCESS"), ("100,d", "FAILURE")):
        with running(command, home=tmp_path) as driver:
            assert outcome(driver, "ECHO", payload)[0] == expected, payload


def test_a_begin_that_fails_is_told_at_the_greeting(command: list[str], tmp_path: Path) -> None:
    with running(command, "refuse", home=tmp_path, init=False) as driver:
        driver.send(b"INIT\n")
        answer = driver.answer("INIT")
        assert (answer.status, answer.payload) == ("FAILURE", "no hypervisor here")
