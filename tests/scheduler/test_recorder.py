import logging
import threading

import pytest

from trifid.placement.place import place
from trifid.placement.plan import Plan
from trifid.placement.recorded import unpack
from trifid.placement.settings import Recording, Settings
from trifid.placement.synthetic import synthetic
from trifid.scheduler.recorder import QUEUED_MAX, Behind, Recorder, recorded

VIEW = synthetic(1, 3, 3)
NOW = 1_800_000_000.0


def recorder(directory, **limits) -> Recorder:
    return Recorder(directory, Settings(recording=Recording(**limits)), "striping", lambda: NOW)


def placing(number: int) -> Plan:
    return Plan([(number, 0, 0)])


def kept(directory) -> list[int]:
    """The VMs of the decisions that are kept, oldest first."""
    return [unpack(path.read_bytes()).plan.placements[0][0] for path in recorded(directory)]


def test_a_decision_is_kept_with_all_that_it_was_made_from(tmp_path):
    plan = place(VIEW)
    recorder(tmp_path / "decisions").record(VIEW, plan)
    (path,) = recorded(tmp_path / "decisions")
    assert path.name == "00000001-20270115T080000Z.json.gz"
    assert path.stat().st_mode & 0o777 == 0o600
    decision = unpack(path.read_bytes())
    kept = decision.plan
    assert (decision.view, decision.by) == (VIEW, "striping")
    assert (kept.placements, dict(kept.refusals), kept.warnings) == (
        plan.placements,
        dict(plan.refusals),
        plan.warnings,
    )


def test_only_what_is_new_is_kept(tmp_path):
    one = recorder(tmp_path)
    for plan in (Plan([], {1: "full"}), Plan([], {1: "full"}), Plan([], {1: "fuller"}), placing(1), placing(1)):
        one.record(VIEW, plan)
    assert len(recorded(tmp_path)) == 4


def test_nothing_decided_is_nothing_kept(tmp_path):
    one = recorder(tmp_path)
    one.record(VIEW, Plan())
    one.record(VIEW, Plan())
    assert recorded(tmp_path) == []


def test_the_oldest_give_way_to_new_ones(tmp_path):
    one = recorder(tmp_path, files_max=3)
    for number in range(5):
        one.record(VIEW, placing(number))
    assert kept(tmp_path) == [2, 3, 4]
    again = recorder(tmp_path, files_max=3)
    again.record(VIEW, placing(5))
    assert kept(tmp_path) == [3, 4, 5]


def test_all_together_never_take_more_than_they_may(tmp_path):
    recorder(tmp_path / "try").record(VIEW, placing(0))
    size = recorded(tmp_path / "try")[0].stat().st_size
    one = recorder(tmp_path, bytes_max=3 * size + 60)
    for number in range(6):
        one.record(VIEW, placing(number))
        assert sum(path.stat().st_size for path in recorded(tmp_path)) <= 3 * size + 60
    assert kept(tmp_path) == [3, 4, 5]


def test_one_that_is_larger_than_all_may_be_is_left_out_and_told_once(tmp_path, caplog):
    one = recorder(tmp_path, bytes_max=10)
    one.record(VIEW, placing(1))
    one.record(VIEW, placing(2))
    assert recorded(tmp_path) == []
    assert caplog.text.count("more than the 10 bytes of [scheduler.recording] bytes_max") == 1


def test_a_directory_that_cannot_be_written_is_told_once_and_works_again_later(tmp_path, caplog):
    directory = tmp_path / "decisions"
    directory.write_text("in the way")
    one = recorder(directory)
    one.record(VIEW, placing(1))
    one.record(VIEW, placing(2))
    assert caplog.text.count("decisions are not recorded") == 1
    directory.unlink()
    one.record(VIEW, placing(3))
    assert kept(directory) == [3]


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    one = recorder(tmp_path, files_max=1)
    one.record(VIEW, placing(1))
    one.record(VIEW, placing(2))
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert kept(tmp_path) == [2]


def test_writing_happens_behind_the_back_of_the_scheduler(tmp_path):
    behind = Behind(recorder(tmp_path))
    plan = placing(7)
    behind.record(VIEW, plan)
    plan.placements.clear()
    behind.wait()
    assert kept(tmp_path) == [7]


def test_a_slow_disk_costs_decisions_not_time(caplog):
    begun, go_on = threading.Event(), threading.Event()
    written = []

    class Slow:
        def record(self, view, plan):
            begun.set()
            assert go_on.wait(20)
            written.append(plan)

    caplog.set_level(logging.WARNING)
    behind = Behind(Slow())
    behind.record(VIEW, placing(0))
    assert begun.wait(20)
    for number in range(1, QUEUED_MAX + 10):
        behind.record(VIEW, placing(number))
    go_on.set()
    behind.wait()
    assert [plan.placements[0][0] for plan in written] == list(range(QUEUED_MAX + 1))
    assert caplog.text.count("some are left out") == 1


@pytest.mark.parametrize("name", ["gone", "gone/deeper"])
def test_a_directory_that_is_missing_has_no_decisions(tmp_path, name):
    assert recorded(tmp_path / name) == []
