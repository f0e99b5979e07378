"""Figures of domains out of libvirt's statistics, and words for their states."""

import libvirt
import pytest

from trifid.drivers.libvirt.figures import Sampler
from trifid.drivers.libvirt.states import is_news, vm_id_of

STATS = {
    "cpu.time": 5_000_000_000,
    "balloon.current": 131072,
    "balloon.rss": 200000,
    "net.count": 2,
    "net.0.rx.bytes": 10,
    "net.0.tx.bytes": 1,
    "net.1.rx.bytes": 20,
    "net.1.tx.bytes": 2,
    "block.count": 2,
    "block.0.rd.bytes": 1000,
    "block.0.rd.reqs": 3,
    "block.1.wr.bytes": 500,
    "block.1.wr.reqs": 2,
}


def test_devices_are_added_up_and_memory_is_what_the_host_gives() -> None:
    assert Sampler().figures("u", STATS, now_s=100.0) == {
        "MEMORY": "200000",
        "NETRX": "30",
        "NETTX": "3",
        "DISKRDBYTES": "1000",
        "DISKWRBYTES": "500",
        "DISKRDIOPS": "3",
        "DISKWRIOPS": "2",
    }


def test_processor_load_is_the_difference_of_two_looks() -> None:
    sampler = Sampler()
    sampler.figures("u", STATS, now_s=100.0)
    later = {**STATS, "cpu.time": 8_000_000_000}
    assert sampler.figures("u", later, now_s=102.0)["CPU"] == "150.0"


def test_a_domain_that_began_anew_has_no_load_yet() -> None:
    sampler = Sampler()
    sampler.figures("u", STATS, now_s=100.0)
    assert "CPU" not in sampler.figures("u", {"cpu.time": 1}, now_s=102.0)
    assert "CPU" in sampler.figures("u", {"cpu.time": 2}, now_s=103.0)


def test_what_is_forgotten_begins_anew() -> None:
    sampler = Sampler()
    sampler.figures("u", STATS, now_s=100.0)
    sampler.forget_others({"other"})
    assert "CPU" not in sampler.figures("u", STATS, now_s=102.0)


def test_a_domain_that_says_little_has_few_figures() -> None:
    assert Sampler().figures("u", {}, now_s=1.0)["NETRX"] == "0"


@pytest.mark.parametrize(
    ("name", "vm_id"), [("one-12", 12), ("one-0", 0), ("one-", None), ("one-1x", None), ("web", None), ("xone-1", None)]
)
def test_names_tell_which_domains_are_ours(name: str, vm_id: int | None) -> None:
    assert vm_id_of(name) == vm_id


@pytest.mark.parametrize(
    ("event", "detail", "news"),
    [
        ("STARTED", "STARTED_BOOTED", True),
        ("STARTED", "STARTED_RESTORED", True),
        ("STARTED", "STARTED_MIGRATED", False),
        ("RESUMED", "RESUMED_MIGRATED", True),
        ("SUSPENDED", "SUSPENDED_PAUSED", True),
        ("SUSPENDED", "SUSPENDED_MIGRATED", False),
        ("STOPPED", "STOPPED_SHUTDOWN", True),
        ("STOPPED", "STOPPED_DESTROYED", True),
        ("STOPPED", "STOPPED_CRASHED", True),
        ("STOPPED", "STOPPED_FAILED", True),
        ("STOPPED", "STOPPED_SAVED", False),
        ("STOPPED", "STOPPED_MIGRATED", False),
        ("CRASHED", "CRASHED_PANICKED", True),
        ("SHUTDOWN", "SHUTDOWN_FINISHED", False),
        ("DEFINED", "DEFINED_ADDED", False),
    ],
)
def test_an_event_is_a_reason_to_look_or_none(event: str, detail: str, news: bool) -> None:
    numbers = [getattr(libvirt, f"VIR_DOMAIN_EVENT_{name}") for name in (event, detail)]
    assert is_news(*numbers) is news
