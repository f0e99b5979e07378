import os
import select
import sys

import pytest

from trifid.scheduler.program import ProgramFailed, run


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def asked(tmp_path, command, question=b"", timeout_s=20.0, answer_bytes_max=10_000_000):
    return run(command, question, timeout_s=timeout_s, answer_bytes_max=answer_bytes_max, directory=tmp_path)


def why(tmp_path, command, **more) -> str:
    with pytest.raises(ProgramFailed) as failed:
        asked(tmp_path, command, **more)
    return str(failed.value)


def ends(pid: int) -> bool:
    """Whether a process has ended, or does so now."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 20)[0])
    finally:
        os.close(descriptor)


def test_a_long_question_and_a_long_answer_do_not_wait_for_each_other(tmp_path):
    question = os.urandom(3_000_000)
    code = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    assert asked(tmp_path, python(code), question) == question


def test_a_program_need_not_read_its_question(tmp_path):
    assert asked(tmp_path, ["echo", "yes"], b"x" * 3_000_000) == b"yes\n"


def test_it_runs_in_the_directory_given(tmp_path):
    assert asked(tmp_path, ["pwd"]).decode().strip() == str(tmp_path)


def test_a_program_that_is_not_there_is_named(tmp_path):
    assert why(tmp_path, ["/no/such/program"]) == "/no/such/program cannot be started: No such file or directory"


def test_a_program_that_fails_is_told_with_the_end_of_its_stderr(tmp_path):
    code = "import sys; sys.stderr.write('x' * 100_000 + ' the end'); print('{}'); sys.exit(3)"
    said = why(tmp_path, python(code))
    assert "ended with status 3; it wrote: x" in said
    assert said.endswith("x the end")
    assert len(said) < 3000


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    command = ["sh", "-c", "sleep 600 & echo $$ $! >pids; wait"]
    assert why(tmp_path, command, timeout_s=2.5) == "sh took longer than 2.5 s"
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert all(map(ends, pids))


def test_a_program_that_says_too_much_is_ended(tmp_path):
    assert "answered more than 1000 bytes" in why(tmp_path, ["yes"], answer_bytes_max=1000)


def test_a_program_that_closes_its_stdout_and_stays_is_ended(tmp_path):
    code = "import os, time; os.close(1); time.sleep(600)"
    assert "closed its stdout, but did not end" in why(tmp_path, python(code))
