"""Virtual networks of real guests on two hosts: who reaches whom, who is silent, how fast, and what is left.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import os
import signal
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.lab.catalogue import DOOR_PORT, Machine
from tests.lab.conftest import BRIDGE, Guest
from tests.lab.networks import Lab, Listening, connects, network, network_lab, until, who_answers

pytestmark = pytest.mark.timeout(400)

LIMIT_KIB_S = 512
TOLERANCE = 0.25
CHANGE_WITHIN_S = 2.0
FLOW_PORT = 9000
LISTENS = "sleep 600 | nc -l -p"
"""Without anything that could still be said, nc says so, and its other end takes that for the end."""
FORGED_MAC, FORGED_IP = "02:00:0a:09:00:42", "10.9.0.66"
VXLAN = "udp port 4789"
WEB = """
NAME = web
RULE = [ PROTOCOL = ALL, RULE_TYPE = outbound ]
RULE = [ PROTOCOL = TCP, RULE_TYPE = inbound, RANGE = "80,9000" ]
"""
DOOR_OPEN = f'RULE = [ PROTOCOL = TCP, RULE_TYPE = inbound, RANGE = "{DOOR_PORT}" ]\n'
CLIENT = "NAME = client\nRULE = [ PROTOCOL = ALL, RULE_TYPE = outbound ]"


class Guests(NamedTuple):
    """Two guests of the vxlan `blue`, two of `red`, on different hosts; those on host-a are in `wall`, too."""

    blue_a: Machine
    blue_b: Machine
    red_a: Machine
    red_b: Machine


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, bridge: str, guest: Guest) -> Iterator[Lab]:
    """Two hosts with nothing on them but bridges of the private network."""
    with network_lab(tmp_path_factory.mktemp("lab"), guest) as made:
        yield made


@pytest.fixture(scope="module")
def guests(lab: Lab) -> Guests:
    """Four guests: blue and red have the same addresses."""
    web, client = (lab.create("onesecgroup", text) for text in (WEB, CLIENT))
    for name in ("blue", "red"):
        lab.create("onevnet", network(name, "vxlan", "10.9.0.1", 100))
    lab.create("onevnet", network("wall", "fw", "10.8.0.1", 100))
    limits = ", ".join(f"{way}_AVG_BW = {LIMIT_KIB_S}" for way in ("INBOUND", "OUTBOUND"))
    started = Guests(
        lab.started(
            "blue-a",
            "host-a",
            'NIC = [ NETWORK = "blue", IP = 10.9.0.1 ]\n'
            f'NIC = [ NETWORK = "wall", IP = 10.8.0.1, SECURITY_GROUPS = "{client}" ]',
        ),
        lab.started("blue-b", "host-b", f'NIC = [ NETWORK = "blue", IP = 10.9.0.2, {limits} ]'),
        lab.started(
            "red-a",
            "host-a",
            f'NIC = [ NETWORK = "red", IP = 10.9.0.1, SECURITY_GROUPS = "{web}" ]\n'
            f'NIC = [ NETWORK = "wall", IP = 10.8.0.2, SECURITY_GROUPS = "{web}" ]',
        ),
        lab.started("red-b", "host-b", 'NIC = [ NETWORK = "red", IP = 10.9.0.3 ]'),
    )
    for machine in started:
        machine.is_to_be("RUNNING")
    for machine in started:
        machine.until_open()
    return started


def test_guests_of_one_vxlan_meet_across_hosts_and_those_of_another_with_the_same_addresses_do_not(
    guests: Guests,
) -> None:
    assert who_answers(guests.blue_a, "10.9.0.2") == "blue-b"
    assert who_answers(guests.blue_b, "10.9.0.1") == "blue-a"
    assert who_answers(guests.red_b, "10.9.0.1") == "red-a"
    assert who_answers(guests.blue_a, "10.9.0.3") == "", "that is one of red"
    assert who_answers(guests.red_b, "10.9.0.2") == "", "that is one of blue"


def test_guests_of_a_filtered_network_on_one_host_reach_what_their_groups_let_pass(guests: Guests) -> None:
    assert who_answers(guests.blue_a, "10.8.0.2") == "red-a"
    assert not connects(guests.blue_a, "10.8.0.2", DOOR_PORT), "no rule of web names the door"
    assert not connects(guests.red_a, "10.8.0.1"), "client lets nobody in"


def test_a_guest_that_forges_its_address_or_its_mac_is_silent(lab: Lab, guests: Guests) -> None:
    forger, victim = guests.blue_a, guests.blue_b
    beside = Listening(f"one-{victim.id}-1", "ip or arp", lab.hosts["host-b"])
    outside = Listening(BRIDGE, VXLAN)
    with beside, outside:
        said = forger.does(f"""
            try() {{ "$@" > /dev/null 2>&1 && echo "answered: $*" || :; }}
            mac=$(cat /sys/class/net/eth1/address)
            ip addr add {FORGED_IP}/24 dev eth1
            try arping -q -c 2 -w 2 -I eth1 -s {FORGED_IP} 10.9.0.2
            try ping -c 2 -W 1 -I {FORGED_IP} 10.9.0.2
            ip addr del {FORGED_IP}/24 dev eth1
            ip link set eth1 down; ip link set eth1 address {FORGED_MAC}; ip link set eth1 up
            try arping -q -c 2 -w 2 -I eth1 10.9.0.2
            try ping -c 2 -W 1 10.9.0.2
            ip link set eth1 down; ip link set eth1 address $mac; ip link set eth1 up
            ping -c 3 -W 2 10.9.0.2 > /dev/null
        """)
    assert said == "", "a forgery was answered"
    for heard in (beside.said, outside.said):
        assert "10.9.0.1 > 10.9.0.2: ICMP echo request" in heard, "what is no forgery was heard"
        assert FORGED_IP not in heard
        assert FORGED_MAC not in heard


def test_a_limit_holds_in_both_directions(guests: Guests) -> None:
    for sender, receiver, address in (
        (guests.blue_a, guests.blue_b, "10.9.0.2"),
        (guests.blue_b, guests.blue_a, "10.9.0.1"),
    ):
        receiver.does(
            f"rm -f /run/rate; ({LISTENS} 9001 |"
            " (dd bs=1 count=1 of=/dev/null; cut -d ' ' -f 1 /proc/uptime; wc -c; cut -d ' ' -f 1 /proc/uptime))"
            " > /run/rate 2>/dev/null &"
        )
        sender.does(f"dd if=/dev/zero bs=1024 count={2 * LIMIT_KIB_S} 2>/dev/null | nc {address} 9001")
        begun, size, ended = map(
            float, receiver.does("while [ $(wc -l < /run/rate) -lt 3 ]; do usleep 100000; done; cat /run/rate").split()
        )
        rate_kib_s = size / 1024 / (ended - begun)
        print(f"to {address}: {rate_kib_s:.0f} KiB/s, limited to {LIMIT_KIB_S}")
        assert abs(rate_kib_s / LIMIT_KIB_S - 1) < TOLERANCE


def test_a_change_of_a_group_opens_and_closes_a_port_within_2_s_and_flows_of_others_go_on(
    lab: Lab, guests: Guests
) -> None:
    flows = [Flow(guests.blue_a, guests.red_a, "10.8.0.2"), Flow(guests.blue_b, guests.blue_a, "10.9.0.1")]
    assert not connects(guests.blue_a, "10.8.0.2", DOOR_PORT)
    attempts = Attempts(guests.blue_a, "10.8.0.2", DOOR_PORT)
    for text, word, other in ((WEB + DOOR_OPEN, "yes", "no"), (WEB, "no", "yes")):
        begun, begun_s = attempts.now_s(), time.monotonic()
        lab.catalogue.run("onesecgroup", "update", "web", "-", text=text)
        command_s = time.monotonic() - begun_s
        attempts.until_tried(begun + command_s + CHANGE_WITHIN_S + 1)
        last_s = max(at for at, answer in attempts.said() if answer == other) - begun
        print(f"the last {other} began {last_s:.2f} s after the command did, {last_s - command_s:.2f} s after its end")
        assert last_s - command_s < CHANGE_WITHIN_S
        assert (begun + last_s, word) < attempts.said()[-1]
    attempts.end()
    for flow in flows:
        flow.goes_on_unbroken()


class Flow:
    """A connection of one guest to another, on which numbers are sent."""

    def __init__(self, sender: Machine, receiver: Machine, address: str) -> None:
        self._receiver = receiver
        receiver.does(f"({LISTENS} {FLOW_PORT}) > /run/flow 2>/dev/null &")
        sender.does(
            "(n=0; while echo $n; do n=$((n + 1)); usleep 200000; done)"
            f" 2>/dev/null < /dev/null | nc {address} {FLOW_PORT} > /dev/null 2>&1 &"
        )
        self._reached = self._until_past(1)

    def _until_past(self, number: int) -> int:
        said = self._receiver.does(
            f"for _ in $(seq 100); do [ $(wc -l < /run/flow) -le {number} ] || break; usleep 100000; done\n"
            "cat /run/flow"
        )
        numbers = [int(line) for line in said.split("\n")[:-1]]
        assert len(numbers) > number, f"only {numbers} arrived"
        assert numbers == list(range(len(numbers)))
        return len(numbers)

    def goes_on_unbroken(self) -> None:
        """Return when more numbers have come than before, each one once."""
        self._until_past(self._reached + 3)


class Attempts:
    """Connections that a guest tries to open all the time, five a second, each for a second at most."""

    def __init__(self, machine: Machine, address: str, port: int) -> None:
        self._machine, self._name = machine, f"/run/attempts-{port}"
        machine.does(f"""
            rm -f {self._name}.end; : > {self._name}
            try() {{
                at=$(cut -d ' ' -f 1 /proc/uptime)
                nc -w 1 {address} {port} > /dev/null && echo $at yes || echo $at no
            }}
            (while [ ! -e {self._name}.end ]; do
                try < /dev/null 2> /dev/null >> {self._name} &
                usleep 200000
            done) > /dev/null 2>&1 < /dev/null &
        """)

    def said(self) -> list[tuple[float, str]]:
        """Return when each attempt that has ended began, and whether it succeeded: yes or no."""
        lines = self._machine.does(f"cat {self._name}").splitlines()
        return sorted((float(at), answer) for at, answer in map(str.split, lines))

    def answers(self) -> list[str]:
        """Return yes or no for each attempt that has ended."""
        return [answer for _, answer in self.said()]

    def now_s(self) -> float:
        """Return the time that the guest has."""
        return float(self._machine.does("cut -d ' ' -f 1 /proc/uptime"))

    def until_tried(self, at_s: float) -> None:
        """Return when an attempt that began this late has ended."""
        until(lambda: any(at > at_s for at, _ in self.said()), lambda: f"{self.said()[-3:]}")

    def end(self) -> None:
        """Try no longer."""
        self._machine.does(f"touch {self._name}.end; sleep 1")


def test_rules_go_along_with_a_live_migration_without_a_gap(lab: Lab, guests: Guests) -> None:
    traveller, asker = guests.red_a, guests.red_b
    attempts = closed, opened = Attempts(asker, "10.9.0.1", DOOR_PORT), Attempts(asker, "10.9.0.1", 80)
    lab.catalogue.run("onevm", "migrate", str(traveller.id), "host-b", "--live", "--wait")
    for one in attempts:
        one.until_tried(opened.now_s() + 1)
        one.end()
    assert lab.hosts["host-b"].domains().count(f"one-{traveller.id}") == 1
    tried, answers = closed.answers(), opened.answers()
    print(f"a closed port: 0 of {len(tried)} accepted; an open one: {answers.count('yes')} of {len(answers)} answered")
    assert len(tried) > 10
    assert "yes" not in tried
    assert answers.count("yes") > 0.7 * len(answers)
    assert answers[-3:] == ["yes"] * 3
    until(lambda: f"one-{traveller.id}-1" not in lab.on("host-a").rules(), lambda: lab.on("host-a").rules())


def test_rules_outlive_a_killed_engine_and_nothing_is_left_of_what_ended_meanwhile_or_in_the_end(
    lab: Lab, guests: Guests
) -> None:
    device = f"one-{guests.red_b.id}-1"
    assert device in lab.on("host-b").rules()
    driver = lab.home.child("vnm driver linux")
    os.kill(driver, signal.SIGSTOP)
    lab.catalogue.run("onevm", "terminate", "--hard", str(guests.red_b.id))
    lab.api.until_state(guests.red_b.id, "DONE")
    os.kill(lab.home.pid, signal.SIGSTOP)
    os.kill(driver, signal.SIGKILL)
    lab.home.kill()
    rules = lab.on("host-b").rules()
    assert device in rules and f"one-{guests.blue_b.id}-1" in rules
    lab.home.start()
    until(lambda: device not in lab.on("host-b").rules(), lambda: lab.on("host-b").rules())
    assert f"one-{guests.blue_b.id}-1" in lab.on("host-b").rules()
    assert who_answers(guests.blue_b, "10.9.0.1") == "blue-a"

    for machine in (guests.blue_a, guests.blue_b, guests.red_a):
        lab.catalogue.run("onevm", "terminate", "--hard", str(machine.id), "--wait")
    lab.until_nothing_is_left()
