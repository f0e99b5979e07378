"""Driver processes: real small programs that do it right and wrong."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.engine.world import executable
from trifid.engine.config import DriverSettings
from trifid.engine.driver_command import find_executable
from trifid.engine.drivers import Driver
from trifid.errors import DriverFault
from trifid.wire.lines import Lines, Message, to_driver

WAIT_S = 20.0
PYTHON = f"#!{sys.executable} -I\nimport os, subprocess, sys, time\n"
GOOD = """\
for line in sys.stdin:
    word, *rest = line.split()
    if word == "INIT":
        print("INIT SUCCESS -", flush=True)
    elif word == "FINALIZE":
        open("finalized", "w").close()
        break
    else:
        print(word, "SUCCESS", rest[0], "-", flush=True)
"""


class Heard:
    """Listens to a driver; tests wait for what they expect."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[str, object]] = asyncio.Queue()

    def driver_ready(self, driver: Driver) -> None:
        self.queue.put_nowait(("ready", driver.pid))

    def driver_said(self, driver: Driver, message: Message) -> None:
        if message.type == "BUG":
            raise ValueError("a bug of ours")
        self.queue.put_nowait(("said", f"{message.type} {message.status} {message.oid}"))

    def driver_down(self, driver: Driver, why: str) -> None:
        self.queue.put_nowait(("down", why))

    async def next(self) -> tuple[str, object]:
        return await asyncio.wait_for(self.queue.get(), WAIT_S)


@pytest.fixture
async def start(tmp_path):
    """Start a driver made of a text, or of a path; ends with the test."""
    (tmp_path / "log").mkdir()
    drivers = []

    def starts(program: str, init_timeout_s: float = WAIT_S, **settings) -> tuple[Driver, Heard]:
        path = executable(tmp_path, program) if program.startswith("#!") else program
        heard = Heard()
        driver = Driver(
            "vmm",
            "test",
            DriverSettings(path, **settings),
            tmp_path,
            heard,
            init_timeout_s=init_timeout_s,
            restart_delays_s=(0.01,),
        )
        driver.start()
        drivers.append(driver)
        return driver, heard

    yield starts
    for driver in drivers:
        await driver.stop()


def is_alive(pid: int) -> bool:
    """Whether a process is there and not just a name waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pid: int) -> None:
    """Return when a process is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), WAIT_S)
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


async def test_a_driver_is_greeted_and_talked_to(start):
    driver, heard = start(PYTHON + GOOD)
    assert await heard.next() == ("ready", driver.pid)
    assert (driver.is_ready, driver.trouble, driver.does_not_start) == (True, "", False)
    driver.send(to_driver("DEPLOY", 12, "payload"))
    driver.send(to_driver("POLL", 13, "payload"))
    assert await heard.next() == ("said", "DEPLOY SUCCESS 12")
    assert await heard.next() == ("said", "POLL SUCCESS 13")


@pytest.mark.parametrize(("greeting", "answers_all"), [("INIT SUCCESS -", False), ("INIT SUCCESS ANSWERS_ALL", True)])
async def test_a_driver_tells_whether_it_answers_what_was_cancelled(start, greeting, answers_all):
    driver, heard = start(PYTHON + GOOD.replace("INIT SUCCESS -", greeting))
    await heard.next()
    assert driver.answers_all == answers_all


async def test_its_arguments_home_and_log_are_as_configured(start, tmp_path):
    text = PYTHON + 'print(sys.argv[1:], os.environ["TRIFID_HOME"], os.getcwd(), file=sys.stderr, flush=True)\n' + GOOD
    _, heard = start(text, arguments="-p one two")
    await heard.next()
    said = (tmp_path / "log" / "driver-vmm-test.log").read_text()
    assert said == f"['-p one two'] {tmp_path} {tmp_path}\n"


async def test_it_is_told_to_end_before_it_is_ended(start, tmp_path):
    driver, heard = start(PYTHON + GOOD)
    await heard.next()
    pid = driver.pid
    await driver.stop()
    assert (tmp_path / "finalized").exists()
    assert not is_alive(pid)
    assert not driver.is_ready
    assert heard.queue.empty()


async def test_a_missing_program_is_said_with_where_it_was_looked_for(start, tmp_path):
    driver, heard = start("no-such-driver")
    what, why = await heard.next()
    assert what == "down"
    assert "executable no-such-driver not found" in why
    assert str(tmp_path / "drivers") in why
    assert "mend [drivers.vmm.test] in trifid.toml" in why
    await heard.next()
    assert driver.does_not_start


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("#!/bin/sh\nread line\necho 'INIT FAILURE - no xen here'\nread line\n", "expected INIT SUCCESS, it said"),
        ("#!/bin/sh\necho hello\nread line\n", "it said b'hello'"),
        ("#!/bin/sh\nexit 3\n", "it ended before INIT SUCCESS"),
        ("#!/no/such/interpreter\n", "No such file"),
    ],
    ids=["failure", "garbage", "ends-at-once", "cannot-run"],
)
async def test_a_driver_that_does_not_come_up_is_tried_again_and_says_why(start, program, why):
    driver, heard = start(program)
    for _ in range(2):
        what, text = await heard.next()
        assert (what, why in text) == ("down", True), text
    assert driver.does_not_start
    assert why in driver.trouble


async def test_a_driver_that_never_greets_is_ended(start):
    driver, heard = start("#!/bin/sh\nsleep 600 & echo $! >child\nwait\n", init_timeout_s=0.3)
    what, why = await heard.next()
    assert (what, why) == ("down", "no INIT SUCCESS within 0.3 s")
    await driver.stop()


async def test_lines_that_are_no_messages_are_ignored(start, caplog):
    text = GOOD.replace(
        'print(word, "SUCCESS"', 'print("what?", flush=True); print("DEPLOY SUCCESS x y"); print(word, "SUCCESS"'
    )
    driver, heard = start(PYTHON + text)
    await heard.next()
    driver.send(to_driver("DEPLOY", 12, "payload"))
    assert await heard.next() == ("said", "DEPLOY SUCCESS 12")
    assert "said garbage, ignored" in caplog.text


async def test_a_bug_of_ours_over_a_message_does_not_take_the_next_ones_away(start, caplog):
    driver, heard = start(PYTHON + GOOD)
    await heard.next()
    driver.send(to_driver("BUG", 1, "-"))
    driver.send(to_driver("POLL", 2, "-"))
    assert await heard.next() == ("said", "POLL SUCCESS 2")
    assert "bug while hearing" in caplog.text


async def test_a_driver_that_dies_comes_back_without_being_one_that_does_not_start(start):
    driver, heard = start(PYTHON + GOOD)
    for _ in range(3):
        _, pid = await heard.next()
        os.kill(pid, signal.SIGKILL)
        what, why = await heard.next()
        assert (what, why) == ("down", "it ended with exit status -9, see log/driver-vmm-test.log")
        assert not driver.does_not_start
    assert (await heard.next())[0] == "ready"


async def test_its_children_end_with_it(start, tmp_path):
    child = 'child = subprocess.Popen(["sleep", "600"])\nopen("child", "w").write(str(child.pid))\n'
    driver, heard = start(PYTHON + child + GOOD)
    _, pid = await heard.next()
    child_pid = int((tmp_path / "child").read_text())
    assert is_alive(child_pid)
    os.kill(pid, signal.SIGKILL)
    assert (await heard.next())[0] == "down"
    await gone(child_pid)
    await heard.next()
    child_pid = int((tmp_path / "child").read_text())
    await driver.stop()
    await gone(child_pid)


async def test_a_driver_that_closes_its_output_is_ended(start, monkeypatch):
    monkeypatch.setattr("trifid.engine.drivers.FINALIZE_GRACE_S", 0.1)
    _, heard = start(PYTHON + 'print("INIT SUCCESS -", flush=True)\nos.close(1)\ntime.sleep(600)\n')
    _, pid = await heard.next()
    what, why = await heard.next()
    assert (what, "it closed its stdout" in why) == ("down", True)
    assert not is_alive(pid)


async def test_a_line_without_end_is_the_drivers_end(start, monkeypatch):
    monkeypatch.setattr("trifid.engine.drivers.Lines", lambda: Lines(line_bytes_max=1000))
    driver, heard = start(PYTHON + GOOD.replace('"SUCCESS", rest[0]', '"x" * 5000'))
    await heard.next()
    driver.send(to_driver("POLL", 1, "-"))
    what, why = await heard.next()
    assert (what, "a line of more than 1000 bytes" in why) == ("down", True)


async def test_what_came_whole_with_a_line_without_end_is_heard(start, monkeypatch):
    monkeypatch.setattr("trifid.engine.drivers.Lines", lambda: Lines(line_bytes_max=1000))
    said = 'os.write(1, b"POLL SUCCESS 12 -\\n" + b"x" * 5000)'
    driver, heard = start(PYTHON + GOOD.replace('print(word, "SUCCESS", rest[0], "-", flush=True)', said))
    await heard.next()
    driver.send(to_driver("POLL", 12, "-"))
    assert await heard.next() == ("said", "POLL SUCCESS 12")
    assert (await heard.next())[0] == "down"


async def test_what_is_sent_to_a_dying_driver_is_lost_without_noise(start):
    driver, heard = start(PYTHON + GOOD)
    _, pid = await heard.next()
    os.kill(pid, signal.SIGKILL)
    for _ in range(100):
        driver.send(to_driver("DEPLOY", 1, "x" * 10_000))
    assert (await heard.next())[0] == "down"


def test_programs_are_looked_for_at_home_first(tmp_path):
    (tmp_path / "drivers").mkdir()
    mine = executable(tmp_path / "drivers", "#!/bin/sh\n", "sh")
    assert find_executable("sh", tmp_path) == mine
    assert find_executable("sh", tmp_path / "elsewhere") not in (None, mine)
    assert find_executable("/no/such", tmp_path) is None
    assert find_executable(mine, tmp_path / "elsewhere") == mine


@pytest.mark.parametrize("is_named_by_its_path", [False, True])
def test_a_program_without_its_x_bit_is_told_as_such(tmp_path, is_named_by_its_path):
    (tmp_path / "drivers").mkdir()
    mine = Path(executable(tmp_path / "drivers", "#!/bin/sh\n", "vmm-mine"))
    mine.chmod(0o644)
    with pytest.raises(DriverFault, match=rf"^{mine} is not executable: chmod \+x {mine}$"):
        find_executable(str(mine) if is_named_by_its_path else "vmm-mine", tmp_path)


async def test_a_driver_that_talks_nonsense_without_end_is_ended_and_started_again(start):
    _, heard = start(f"{PYTHON}print('INIT SUCCESS', flush=True)\nwhile True: print('blah')")
    assert (await heard.next())[0] == "ready"
    assert await heard.next() == ("down", "it said 1000 lines in a row that are no messages")
    assert (await heard.next())[0] == "ready"


async def test_a_driver_may_talk_some_nonsense_between_its_messages(start):
    talk = "for _ in range(3): print('blah\\n' * 999, 'DEPLOY SUCCESS 7 -', sep='', flush=True)"
    _, heard = start(f"{PYTHON}print('INIT SUCCESS', flush=True)\n{talk}\nsys.stdin.read()")
    assert [(await heard.next())[0] for _ in range(4)] == ["ready", "said", "said", "said"]


async def test_a_driver_that_is_to_be_started_again_is(start):
    driver, heard = start(f"{PYTHON}{GOOD}")
    (_, before) = await heard.next()
    driver.restart()
    assert (await heard.next())[0] == "down"
    (word, after) = await heard.next()
    assert word == "ready" and after != before


async def test_nonsense_of_a_driver_that_is_told_secrets_is_not_quoted(start, caplog):
    talk = "print('I heard sesame', 'DEPLOY SUCCESS 7 -', sep='\\n', flush=True)"
    driver, heard = start(f"{PYTHON}print('INIT SUCCESS', flush=True)\n{talk}\nsys.stdin.read()")
    driver.family = "auth"
    assert [(await heard.next())[0] for _ in range(2)] == ["ready", "said"]
    assert "said garbage" in caplog.text and "sesame" not in caplog.text
