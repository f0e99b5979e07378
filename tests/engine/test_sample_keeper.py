"""Averages are made when their span is over, old samples go, and a restart loses nothing."""

import pytest

from trifid.core.samples import FIVE_MINUTES_S, HOUR_S, RAW_S, Kind, Sample
from trifid.engine.sample_keeper import WRITINGS_PER_ROUND, Kept, SampleKeeper, Taken
from trifid.store.interface import StoreFault
from trifid.store.samples import open_samples

BEGIN = 1_000_000 * HOUR_S
EVERY_S = 30
ALL = 10**6


class Keeping:
    """A keeper whose clock goes as the tests say."""

    def __init__(self, home, kept: Kept) -> None:
        self.now = BEGIN
        self.kept = kept
        self.table = open_samples("sqlite:///t.db", home)
        self.restart()

    def restart(self) -> None:
        self.keeper = SampleKeeper(self.table, self.kept, lambda: self.now)

    def measure(self, **figures: float) -> None:
        """VM 1 is measured, and time goes on."""
        told = {name: str(value) for name, value in figures.items()}
        self.keeper.write([Taken(Kind.VM, 1, self.now, told)])
        self.now += EVERY_S

    def measure_for(self, seconds: int, **figures: float) -> None:
        for _ in range(seconds // EVERY_S):
            self.measure(**figures)

    def pass_by(self, seconds: int) -> None:
        self.now += seconds
        self.keeper.write([])

    def read(self, resolution_s: int, vm_id: int = 1) -> list[Sample]:
        return [one for _, one in self.keeper.read(Kind.VM, [vm_id], resolution_s, 0, ALL)]


@pytest.fixture
def keeping(tmp_path):
    made = Keeping(tmp_path, Kept())
    yield made
    made.table.close()


def test_five_minutes_are_averaged_when_the_next_begin(keeping):
    for load in range(10):
        keeping.measure(CPU=load, NETRX=load)
    assert keeping.read(FIVE_MINUTES_S) == []
    keeping.measure(CPU=0, NETRX=100)
    assert keeping.read(FIVE_MINUTES_S) == [Sample(BEGIN, {"CPU": 4.5, "NETRX": 9}, 10)]


def test_an_hour_is_averaged_when_the_next_begins(keeping):
    keeping.measure_for(HOUR_S // 2, CPU=10)
    keeping.measure_for(HOUR_S // 2, CPU=20)
    assert keeping.read(HOUR_S) == []
    keeping.measure(CPU=0)
    assert keeping.read(HOUR_S) == [Sample(BEGIN, {"CPU": 15}, 120)]


def test_a_restart_in_the_middle_of_a_span_changes_nothing(keeping):
    for load in range(10):
        if load == 5:
            keeping.restart()
        keeping.measure(CPU=load)
    keeping.restart()
    keeping.measure(CPU=0)
    assert keeping.read(FIVE_MINUTES_S) == [Sample(BEGIN, {"CPU": 4.5}, 10)]


def test_an_hour_that_ended_while_the_engine_was_down_is_averaged_later(keeping):
    keeping.measure_for(HOUR_S, CPU=10)
    keeping.restart()
    keeping.now += 600
    keeping.measure(CPU=0)
    assert keeping.read(HOUR_S) == [Sample(BEGIN, {"CPU": 10}, 120)]


def test_what_is_not_measured_any_more_gets_its_last_averages(keeping):
    keeping.measure(CPU=10)
    keeping.pass_by(0)
    keeping.pass_by(3 * FIVE_MINUTES_S)
    assert keeping.read(FIVE_MINUTES_S) == [Sample(BEGIN, {"CPU": 10}, 1)]
    assert keeping.read(HOUR_S) == [Sample(BEGIN, {"CPU": 10}, 1)]


def measure_many(keeping, vms: int, rounds: int) -> None:
    for _ in range(rounds):
        keeping.keeper.write([Taken(Kind.VM, vm_id, keeping.now, {"CPU": str(vm_id)}) for vm_id in range(vms)])
        keeping.now += 10


def rows_of(keeping, vm_id: int) -> int:
    return len(list(keeping.table.read(RAW_S, Kind.VM, [vm_id], 0)))


def test_an_object_gets_the_rows_of_some_minutes_at_once(keeping):
    measure_many(keeping, 90, WRITINGS_PER_ROUND + 1)
    assert rows_of(keeping, 0) == 1
    assert rows_of(keeping, 89) == WRITINGS_PER_ROUND
    assert rows_of(keeping, 45) == 16
    assert [len(keeping.read(RAW_S, vm_id)) for vm_id in (0, 45, 89)] == [WRITINGS_PER_ROUND + 1] * 3


def test_what_an_engine_noted_before_it_was_killed_is_there(keeping):
    measure_many(keeping, 90, 5)
    before = [keeping.read(RAW_S, vm_id) for vm_id in (0, 45, 89)]
    keeping.restart()
    assert [keeping.read(RAW_S, vm_id) for vm_id in (0, 45, 89)] == before
    assert [len(one) for one in before] == [5, 5, 5]


def test_notes_are_forgotten_once_all_have_their_rows(keeping):
    measure_many(keeping, 90, 3 * WRITINGS_PER_ROUND)
    assert len(list(keeping.table.noted())) <= WRITINGS_PER_ROUND + 1
    for _ in range(90):
        keeping.pass_by(0)
    assert len(list(keeping.table.noted())) <= 1
    keeping.restart()
    keeping.pass_by(0)
    assert list(keeping.table.noted()) == []
    assert len(keeping.read(RAW_S, 45)) == 3 * WRITINGS_PER_ROUND


def test_objects_are_averaged_apart(keeping):
    for at in (BEGIN, BEGIN + FIVE_MINUTES_S):
        keeping.now = at
        keeping.keeper.write([Taken(Kind.VM, vm_id, at, {"CPU": str(vm_id)}) for vm_id in (1, 2, 3)])
    assert [keeping.read(FIVE_MINUTES_S, vm_id) for vm_id in (1, 2, 3)] == [
        [Sample(BEGIN, {"CPU": vm_id})] for vm_id in (1, 2, 3)
    ]


def test_many_spans_may_come_in_one_writing(keeping):
    taken = [Taken(Kind.VM, 1, BEGIN + n * EVERY_S, {"CPU": "5"}) for n in range(25)]
    keeping.now = BEGIN + 25 * EVERY_S
    keeping.keeper.write(taken)
    assert [one.at for one in keeping.read(FIVE_MINUTES_S)] == [BEGIN, BEGIN + FIVE_MINUTES_S]


def test_old_samples_go_and_their_averages_stay(tmp_path):
    keeping = Keeping(tmp_path, Kept(raw_s=600, five_minutes_s=7200, hour_s=86400))
    keeping.measure_for(3 * HOUR_S, CPU=1)
    assert len(list(keeping.table.read(RAW_S, Kind.VM, [1], 0))) <= 600 // EVERY_S + 1
    assert len(list(keeping.table.read(FIVE_MINUTES_S, Kind.VM, [1], 0))) <= 7200 // FIVE_MINUTES_S + 1
    assert len(keeping.read(HOUR_S)) == 2
    keeping.table.close()


def test_samples_of_what_is_gone_go_in_time(keeping):
    keeping.measure_for(HOUR_S, CPU=1)
    keeping.pass_by(61 * 86400)
    keeping.keeper.write([])
    for resolution_s in (RAW_S, FIVE_MINUTES_S, HOUR_S):
        assert list(keeping.table.read(resolution_s, Kind.VM, [1], 0)) == []


def test_what_is_too_old_is_not_answered_even_before_it_is_deleted(tmp_path):
    keeping = Keeping(tmp_path, Kept(raw_s=600))
    keeping.measure(CPU=1)
    keeping.now += 601
    assert keeping.read(RAW_S) == []
    keeping.table.close()


def test_an_average_is_not_made_of_half_that_is_left(tmp_path):
    keeping = Keeping(tmp_path, Kept(raw_s=600))
    keeping.measure_for(FIVE_MINUTES_S, CPU=1)
    keeping.measure(CPU=2)
    before = keeping.read(FIVE_MINUTES_S)
    keeping.restart()
    keeping.now += 86400
    keeping.measure(CPU=3)
    assert keeping.read(FIVE_MINUTES_S) == before
    keeping.table.close()


def test_hours_are_not_kept_when_nobody_wants_them(tmp_path):
    keeping = Keeping(tmp_path, Kept(hour_s=0))
    keeping.measure_for(HOUR_S + 60, CPU=1)
    assert list(keeping.table.read(HOUR_S, Kind.VM, [1], 0)) == []
    keeping.table.close()


def test_a_writing_that_fails_can_be_done_again(keeping):
    for load in range(10):
        keeping.measure(CPU=load)
    whole, keeping.table._put = keeping.table._put, "no statement"
    with pytest.raises(StoreFault):
        keeping.measure(CPU=0)
    keeping.table._put = whole
    keeping.measure(CPU=0)
    assert keeping.read(FIVE_MINUTES_S) == [Sample(BEGIN, {"CPU": 4.5}, 10)]


def test_a_clock_that_went_back_stops_nothing(keeping):
    keeping.measure_for(FIVE_MINUTES_S, CPU=1)
    keeping.now = BEGIN - 2 * FIVE_MINUTES_S
    keeping.measure_for(FIVE_MINUTES_S + EVERY_S, CPU=3)
    assert keeping.read(FIVE_MINUTES_S)[0] == Sample(BEGIN - 2 * FIVE_MINUTES_S, {"CPU": 3}, 10)


def test_no_more_is_read_than_one_more_than_asked_for(keeping):
    keeping.measure_for(600, CPU=1)
    assert len(keeping.keeper.read(Kind.VM, [1], RAW_S, 0, 5)) == 6
