"""Limits as commands."""

import pytest

from tests.drivers.vnm_builders import ENGINE, LIMIT, document, port
from trifid.core.network.host_document import Bandwidth, Port
from trifid.drivers.vnm.present import Link
from trifid.drivers.vnm.shaping import Queues, bucket, place, plan

WAITS = place(ENGINE, "one-5-0")
TAP = Link("one-5-0", "tun", is_up=True)
IFB = Link(WAITS, "ifb", f"trifid:{ENGINE}", is_up=True)


def lines(limited: Port, *present: Link, queues: Queues = Queues()) -> list[str]:
    found = plan(document(ports=(limited,)), {link.name: link for link in present}, queues)
    return [" ".join(argv) for argv in found]


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (Bandwidth(1024), "rate 1048576bps burst 52428b latency 200ms"),
        (Bandwidth(1), "rate 1024bps burst 10240b latency 200ms"),
        (Bandwidth(1024, 512, 64), "rate 1048576bps burst 65536b latency 200ms"),
        (Bandwidth(0, 512, 64), "rate 524288bps burst 65536b latency 200ms"),
        (
            Bandwidth(1024, 4096, 64),
            "rate 1048576bps burst 65536b latency 200ms peakrate 4194304bps minburst 10240b",
        ),
    ],
)
def test_a_limit_becomes_a_bucket(way: Bandwidth, words: str) -> None:
    assert " ".join(bucket(way)) == f"tbf {words}"


def test_an_interface_that_is_not_there_yet_is_limited_later() -> None:
    assert lines(port(inbound=LIMIT, outbound=LIMIT)) == []


def test_what_goes_to_a_guest_waits_before_its_interface() -> None:
    (command,) = lines(port(inbound=Bandwidth(1024)), TAP)
    assert command.startswith("tc qdisc replace dev one-5-0 root handle 7")
    assert command.endswith(": tbf rate 1048576bps burst 52428b latency 200ms")
    handle = command.split("handle ")[1].split()[0]
    assert lines(port(inbound=Bandwidth(1024)), TAP, queues=Queues({"one-5-0": ("tbf", handle)})) == []
    (changed,) = lines(port(inbound=Bandwidth(2048)), TAP, queues=Queues({"one-5-0": ("tbf", handle)}))
    assert changed.startswith("tc qdisc replace")


def test_what_comes_from_a_guest_is_led_away_last() -> None:
    commands = lines(port(outbound=Bandwidth(1024)), TAP)
    assert commands[0] == f"ip link add name {WAITS} group 32541 type ifb"
    assert commands[1] == f"ip link set dev {WAITS} alias trifid:{ENGINE} addrgenmode none"
    assert commands[2].startswith(f"tc qdisc replace dev {WAITS} root")
    assert commands[3:] == [
        f"ip link set dev {WAITS} up",
        "tc qdisc add dev one-5-0 handle ffff: ingress",
        "tc filter add dev one-5-0 parent ffff: protocol all pref 32541 u32 match u32 0 0"
        f" action mirred egress redirect dev {WAITS}",
    ]


def test_a_limit_that_is_gone_is_taken_away_before_what_it_led_to() -> None:
    queues = Queues({"one-5-0": ("tbf", "7abc:")}, frozenset({"one-5-0"}), {"one-5-0": WAITS})
    assert lines(port(), TAP, IFB, queues=queues) == [
        "tc qdisc del dev one-5-0 root",
        "tc filter del dev one-5-0 parent ffff: pref 32541",
        f"ip link del dev {WAITS}",
    ]


def test_a_queue_of_somebody_elses_is_left_alone() -> None:
    for root in (("htb", "7abc:"), ("tbf", "8001:"), ("noqueue", "0:")):
        assert lines(port(), TAP, queues=Queues({"one-5-0": root})) == []
    assert lines(port(), TAP, Link("tiother", "ifb", "trifid:another")) == []
