"""Figures of Xen's domains and hosts, and domains that only look off, with a fake that answers as the real one."""

from typing import Any

import libvirt
import pytest

from tests.drivers.fake_xen import OFF, RUNNING, XenConnection, XenDomain
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt import present
from trifid.drivers.libvirt.connectors.xen_figures import HostGauge, statistics
from trifid.drivers.libvirt.sizes import is_reached
from trifid.drivers.libvirt.states import NO_WORD, word_of

SECOND_NS = 1_000_000_000


class Waits:
    """A request that only waits, and counts how often."""

    def __init__(self) -> None:
        self.waited = 0

    def wait(self, _: float) -> None:
        self.waited += 1


def figures(*domains: XenDomain) -> dict[str, dict[str, Any]]:
    """Return the statistics of domains by their names."""
    return {domain.name(): stats for domain, stats in statistics(XenConnection(*domains), None)}


def test_figures_have_the_names_of_bulk_statistics_and_dom0_has_none() -> None:
    assert figures(XenDomain("Domain-0", 0), XenDomain("one-1", 3, 5 * SECOND_NS)) == {
        "one-1": {
            "state.state": libvirt.VIR_DOMAIN_RUNNING,
            "state.reason": libvirt.VIR_DOMAIN_RUNNING_BOOTED,
            "vcpu.maximum": 1,
            "balloon.maximum": 131072,
            "balloon.current": 131072,
            "cpu.time": 5 * SECOND_NS,
            "net.count": 1,
            "net.0.rx.bytes": 1646,
            "net.0.tx.bytes": 1123,
            "block.count": 2,
            "block.0.rd.reqs": 61,
            "block.0.rd.bytes": 2246656,
            "block.0.wr.reqs": 11,
            "block.0.wr.bytes": 12288,
        }
    }


@pytest.mark.parametrize(
    ("domain", "word"),
    [
        (XenDomain("one-1", 3), "RUNNING"),
        (XenDomain("one-1", 3, looks=9), NO_WORD),
        (XenDomain("one-1", 3, afterwards=OFF), "POWEROFF"),
        (XenDomain("one-1", 3, afterwards=OFF, is_persistent=True), "POWEROFF"),
    ],
)
def test_a_domain_that_reboots_is_not_taken_for_off(domain: XenDomain, word: str) -> None:
    stats = figures(domain)["one-1"]
    assert word_of(stats["state.state"], stats["state.reason"]) == word


def test_a_domain_that_goes_while_it_is_asked_is_left_out() -> None:
    assert figures(XenDomain("one-1", 3, afterwards=None), XenDomain("one-2", 4)).keys() == {"one-2"}


def test_a_host_has_the_load_of_all_its_domains_and_the_memory_of_its_hypervisor() -> None:
    now_s = [100.0]
    dom0, guest = XenDomain("Domain-0", 0, 50 * SECOND_NS), XenDomain("one-1", 3, 7 * SECOND_NS)
    connection, gauge = XenConnection(dom0, guest, free_kib=700_000), HostGauge(lambda: now_s[0])
    memory = {"FREEMEMORY": "700000", "USEDMEMORY": str(1535 * 1024 - 700_000)}
    assert gauge(connection) == memory
    now_s[0] += 10
    dom0.cpu_ns += 2 * SECOND_NS
    guest.cpu_ns += 4 * SECOND_NS
    connection.domains.append(XenDomain("one-2", 4, 1 * SECOND_NS))
    assert gauge(connection) == {**memory, "USEDCPU": "70", "FREECPU": "130"}


@pytest.mark.parametrize(("now_kib", "is_so"), [(114752, True), (114688, True), (114624, True), (115712, False)])
def test_some_pages_more_or_less_are_the_memory_that_was_asked_for(now_kib: int, is_so: bool) -> None:
    assert is_reached(now_kib, 112 * 1024) is is_so


def test_a_domain_that_comes_back_from_its_reboot_is_still_removed() -> None:
    domain, request = XenDomain("one-1", 3, looks=3, afterwards=RUNNING), Waits()
    present.remove(domain, request)  # type: ignore[arg-type]
    assert domain.is_destroyed and request.waited > 0


def test_a_domain_that_goes_by_itself_is_waited_for() -> None:
    request = Waits()
    present.remove(XenDomain("one-1", 3, looks=3, afterwards=None), request)  # type: ignore[arg-type]
    assert request.waited > 0


def test_a_domain_that_stays_half_way_is_not_said_to_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(present, "BETWEEN_TIMEOUT_S", 0.0)
    with pytest.raises(Failure, match="one-1 is half-way through a start or an end"):
        present.remove(XenDomain("one-1", 3, looks=1000), Waits())  # type: ignore[arg-type]
