"""kill -9 in the middle of commits: what was acknowledged is there, and nothing is there by half."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.conftest import Database

ROOT = Path(__file__).parents[2]


def acknowledged_before_the_kill(database: Database, commits: int) -> int:
    """Run a writer, kill it after so many commits, and return the number of the last one that it reported."""
    command = [sys.executable, "-m", "tests.store.writer", database.url, str(database.home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(commits)]
        writer.kill()
        lines += writer.stdout.read().splitlines(keepends=True)
    complete = [line for line in lines if line.endswith("\n")]
    assert len(complete) >= commits, "the writer ended by itself, see its error above"
    return int(complete[-1])


@pytest.mark.parametrize("commits", [1, 40, 300])
def test_a_killed_writer_loses_nothing_that_it_acknowledged(database: Database, commits: int) -> None:
    last = acknowledged_before_the_kill(database, commits)
    store = database.open()
    found = store.load()
    count = len(found.vms)
    assert count in (last + 1, last + 2), "all that was acknowledged, and at most the commit that was under way"
    assert [vm.id for vm in found.vms] == list(range(count))
    assert all(len(vm.history) == 1 for vm in found.vms)
    assert [action.vm_id for action in found.actions] == list(range(count))
    assert found.counters == {"vm": count}
    assert found.journal_id == count
    assert [e.id for e in store.journal_after(0, count + 10)] == list(range(1, count + 1))


def test_a_writer_killed_again_and_again_goes_on_where_it_was(database: Database) -> None:
    for _ in range(3):
        last = acknowledged_before_the_kill(database, 5)
    assert last >= 14
    assert len(database.open().load().vms) > last
