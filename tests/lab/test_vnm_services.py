"""Address services on hosts that are namespaces: real dnsmasq, real nftables, a real DHCP client.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.lab.served import (
    BRIDGE,
    OUTSIDE,
    UDHCPC,
    ServedGuest,
    ServedHost,
    document,
    lab,
    listening,
    mac_of,
    network,
    outside,
    services,
)
from trifid.core.network.host_document import Group, HostDocument, HostNetwork, Named, Rule
from trifid.drivers.vnm.apply import apply as drive
from trifid.drivers.vnm.services import apply
from trifid.drivers.vnm.troubles import Troubles

pytestmark = pytest.mark.timeout(120)

ADDRESS, OTHER, SERVICE = "10.7.0.1", "10.7.0.2", "10.7.0.254"
NETWORK, SECOND = 7, 300


class Scene:
    """Two hosts whose bridges a cable joins."""

    def __init__(self, directory: Path) -> None:
        self.script = directory / "udhcpc.sh"
        self.script.write_text(UDHCPC)
        self.script.chmod(0o755)
        self.hosts = [ServedHost("host-a", "203.0.113.11"), ServedHost("host-b", "203.0.113.12")]
        self.guests: list[ServedGuest] = []
        one, other = self.hosts
        lab(f"link add cable netns {one.pid} type veth peer name cable netns {other.pid}")
        for host in self.hosts:
            host.run("ip", "link", "set", "cable", "master", BRIDGE, "up")
        for host in self.hosts:
            host.until_ports_forward()

    def guest(self, host: int, device: str, ip: str, bridge: str = BRIDGE) -> ServedGuest:
        self.guests.append(ServedGuest(self.hosts[host], device, mac_of(ip), bridge))
        return self.guests[-1]

    def apply(self, host: int, wanted: HostDocument) -> None:
        troubles = Troubles()
        apply(self.hosts[host].tools, wanted, troubles)
        assert (troubles.by_network, troubles.of_none) == ({}, [])
        self.hosts[host].until_ports_forward()

    def end(self) -> None:
        for space in (*self.guests, *self.hosts):
            space.end()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with outside():
        scene = Scene(tmp_path)
        try:
            yield scene
        finally:
            scene.end()


def test_a_guest_gets_the_address_that_it_was_leased(scene: Scene) -> None:
    guest = scene.guest(0, "one-1-0", ADDRESS)
    scene.apply(0, document([network(NETWORK, services((ADDRESS, "web")), mtu=1400)], [guest.port(NETWORK, ADDRESS)]))
    told = guest.asks_for_an_address(scene.script)
    assert told == {
        "ip": f"{ADDRESS}/24",
        "router": SERVICE,
        "dns": SERVICE,
        "domain": "cloud.example",
        "hostname": "web",
        "mtu": "1400",
        "lease": "604800",
    }
    assert guest.reaches(SERVICE)


def test_nobody_gets_an_address_that_the_engine_did_not_give(scene: Scene) -> None:
    guest = scene.guest(0, "one-1-0", "10.7.0.9")
    scene.apply(0, document([network(NETWORK, services((ADDRESS, "web")))], [guest.port(NETWORK)]))
    assert guest.asks_for_an_address(scene.script) == {}


def test_a_network_without_router_and_names_tells_what_others_are(scene: Scene) -> None:
    guest = scene.guest(0, "one-1-0", ADDRESS)
    served = services((ADDRESS, "web"), is_router=False, has_dns=False, gateway="10.7.0.250", dns=("192.0.2.53",))
    scene.apply(0, document([network(NETWORK, served)], [guest.port(NETWORK, ADDRESS)]))
    told = guest.asks_for_an_address(scene.script)
    assert (told["router"], told["dns"]) == ("10.7.0.250", "192.0.2.53")
    served = services((ADDRESS, "web"), is_router=False, has_dns=False)
    scene.apply(0, document([network(NETWORK, served)], [guest.port(NETWORK, ADDRESS)]))
    told = guest.asks_for_an_address(scene.script)
    assert (told["router"], told["dns"]) == ("", "")


def test_names_are_told_and_those_of_the_outside_asked_for(scene: Scene) -> None:
    guest = scene.guest(0, "one-1-0", ADDRESS)
    served = services((ADDRESS, "web"), (OTHER, "db"), dns=(OUTSIDE,))
    scene.apply(0, document([network(NETWORK, served)], [guest.port(NETWORK, ADDRESS)]))
    guest.run("ip", "addr", "add", f"{ADDRESS}/24", "dev", "eth0")
    options = ("--keep-in-foreground", "--conf-file=/dev/null", "--bind-interfaces", f"--listen-address={OUTSIDE}")
    server = subprocess.Popen(
        ["dnsmasq", *options, "--no-resolv", "--no-hosts", "--address=/far.example/192.0.2.7", "--pid-file="]
    )
    try:
        assert OTHER in guest.run("busybox", "nslookup", "db.cloud.example", SERVICE)
        assert "web.cloud.example" in guest.run("busybox", "nslookup", ADDRESS, SERVICE)
        assert "192.0.2.7" in guest.run("busybox", "nslookup", "-type=a", "far.example", SERVICE)
        assert not guest.resolves("nobody.cloud.example", SERVICE)
    finally:
        server.kill()
        server.wait()


def test_the_way_out_has_the_address_of_the_host_and_leads_to_no_other_network(scene: Scene) -> None:
    host = scene.hosts[0]
    host.run("ip", "link", "add", "br8", "type", "bridge")
    host.run("ip", "link", "set", "br8", "up")
    guest, other = scene.guest(0, "one-1-0", ADDRESS), scene.guest(0, "one-2-0", "10.8.0.1", "br8")
    served = [services((ADDRESS, "web")), services(("10.8.0.1", "db"), address="10.8.0.254/24")]
    networks = [network(NETWORK, served[0]), network(SECOND, served[1], "br8")]
    scene.apply(0, document(networks, [guest.port(NETWORK, ADDRESS), other.port(SECOND, "10.8.0.1")]))
    assert guest.asks_for_an_address(scene.script) and other.asks_for_an_address(scene.script)
    with listening(8000) as callers:
        assert guest.run("busybox", "nc", "-w", "3", OUTSIDE, "8000") == "hello\n"
    assert callers == ["203.0.113.11"]
    assert not guest.reaches("10.8.0.1")
    assert not guest.reaches("10.8.0.254")
    assert not guest.reaches("203.0.113.11"), "the host itself is not outside"
    for end in ("tu0123-7", "tu0123-12c"):
        (address,) = (
            word for word in host.run("ip", "-o", "-4", "addr", "show", end).split() if word.startswith("198.1")
        )
        assert not guest.reaches(address.partition("/")[0]), "nor are the ends of uplinks"


def test_networks_with_the_same_addresses_do_not_meet(scene: Scene) -> None:
    host = scene.hosts[0]
    host.run("ip", "link", "add", "br8", "type", "bridge")
    host.run("ip", "link", "set", "br8", "up")
    guests = [scene.guest(0, "one-1-0", ADDRESS), scene.guest(0, "one-2-0", ADDRESS, "br8")]
    networks = [network(NETWORK, services((ADDRESS, "web"))), network(SECOND, services((ADDRESS, "db")), "br8")]
    ports = [guests[0].port(NETWORK, ADDRESS), guests[1].port(SECOND, ADDRESS)]
    scene.apply(0, document(networks, ports))
    with listening(8000):
        for guest, name in zip(guests, ("web", "db"), strict=True):
            assert guest.asks_for_an_address(scene.script)["hostname"] == name
            assert guest.run("busybox", "nc", "-w", "3", OUTSIDE, "8000") == "hello\n"


def test_a_reservation_on_the_bridge_of_its_network_is_served_apart(scene: Scene) -> None:
    guests = [scene.guest(0, "one-1-0", ADDRESS), scene.guest(0, "one-2-0", OTHER)]
    networks = [network(NETWORK, services((ADDRESS, "web"))), network(SECOND, services((OTHER, "db")))]
    scene.apply(0, document(networks, [guests[0].port(NETWORK, ADDRESS), guests[1].port(SECOND, OTHER)]))
    for guest, name, other in zip(guests, ("web", "db"), ("db", "web"), strict=True):
        assert guest.asks_for_an_address(scene.script)["hostname"] == name
        assert guest.resolves(f"{name}.cloud.example", SERVICE)
        assert not guest.resolves(f"{other}.cloud.example", SERVICE)


def test_each_host_answers_its_own_guests_and_nobody_hears_it_elsewhere(scene: Scene) -> None:
    guests = [scene.guest(0, "one-1-0", ADDRESS), scene.guest(1, "one-2-0", OTHER)]
    served = services((ADDRESS, "web"), (OTHER, "db"))
    heard = subprocess.Popen(
        [
            *scene.hosts[1].argv,
            "tcpdump",
            "-n",
            "-l",
            "--immediate-mode",
            "-i",
            "cable",
            "arp or port 67 or port 68 or port 53",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert heard.stderr and any("listening" in line for line in heard.stderr)
    for host, (guest, ip) in enumerate(zip(guests, (ADDRESS, OTHER), strict=True)):
        scene.apply(host, document([network(NETWORK, served)], [guest.port(NETWORK, ip)]))
    with listening(8000) as callers:
        for guest in guests:
            assert guest.asks_for_an_address(scene.script)
            assert guest.resolves("db.cloud.example", SERVICE)
            assert guest.run("busybox", "nc", "-w", "3", OUTSIDE, "8000") == "hello\n"
    assert callers == ["203.0.113.11", "203.0.113.12"], "each by its own host"
    assert guests[0].reaches(OTHER), "guests of different hosts are neighbours"
    assert len({guest.run("ip", "neigh", "show", SERVICE).split()[4] for guest in guests}) == 1, "a MAC for all hosts"
    asked = f"who-has {OTHER} tell {ADDRESS}"
    assert heard.stdout
    said = []
    for line in heard.stdout:  # up to what was said last
        said.append(line)
        if asked in line:
            break
    heard.kill()
    heard.communicate()
    assert asked in said[-1], "the cable was listened to"
    assert not [line for line in said if SERVICE in line or ".67" in line or ".53" in line]


def test_a_service_that_died_runs_again_and_one_that_lives_is_left_alone(scene: Scene) -> None:
    host, guest = scene.hosts[0], scene.guest(0, "one-1-0", ADDRESS)
    wanted = document([network(NETWORK, services((ADDRESS, "web")))], [guest.port(NETWORK, ADDRESS)])
    scene.apply(0, wanted)
    first, rules = host.pids_of(NETWORK), host.run("nft", "list", "ruleset")
    assert len(first) == 1
    scene.apply(0, wanted)
    assert host.pids_of(NETWORK) == first
    assert host.run("nft", "list", "ruleset") == rules
    os.kill(first[0], signal.SIGKILL)
    scene.apply(0, wanted)
    assert host.pids_of(NETWORK) != first
    assert guest.asks_for_an_address(scene.script)["ip"] == f"{ADDRESS}/24"


def test_a_new_guest_is_told_of_without_a_restart_and_one_that_left_is_forgotten(scene: Scene) -> None:
    host, guest, late = scene.hosts[0], scene.guest(0, "one-1-0", ADDRESS), scene.guest(0, "one-2-0", OTHER)
    scene.apply(0, document([network(NETWORK, services((ADDRESS, "web")))], [guest.port(NETWORK, ADDRESS)]))
    before = host.pids_of(NETWORK)
    both = services((ADDRESS, "web"), (OTHER, "db"))
    scene.apply(0, document([network(NETWORK, both)], [guest.port(NETWORK, ADDRESS), late.port(NETWORK, OTHER)], 2))
    assert host.pids_of(NETWORK) == before
    assert late.asks_for_an_address(scene.script)["hostname"] == "db"
    scene.apply(0, document([network(NETWORK, services((OTHER, "db")))], [late.port(NETWORK, OTHER)], 3))
    assert guest.asks_for_an_address(scene.script) == {}
    assert not late.resolves("web.cloud.example", SERVICE)


def test_an_address_goes_to_the_next_guest_at_once(scene: Scene) -> None:
    guest, heir = scene.guest(0, "one-1-0", ADDRESS), scene.guest(0, "one-2-0", "10.7.0.99")
    scene.apply(0, document([network(NETWORK, services((ADDRESS, "web")))], [guest.port(NETWORK, ADDRESS)]))
    assert guest.asks_for_an_address(scene.script)
    served = services(known=(Named(heir.mac, "db", (ADDRESS,)),))
    scene.apply(0, document([network(NETWORK, served)], [heir.port(NETWORK, ADDRESS)], 2))
    assert heir.asks_for_an_address(scene.script)["ip"] == f"{ADDRESS}/24"


@pytest.mark.parametrize(
    "harm",
    [
        "ip -n trifid-01234567-7 address flush dev lan",
        "ip link delete ts0123-7",
        "ip link set ts0123-7 nomaster",
        "ip netns delete trifid-01234567-7",
        "nft flush ruleset",
    ],
)
def test_what_somebody_broke_is_whole_again(scene: Scene, harm: str) -> None:
    guest = scene.guest(0, "one-1-0", ADDRESS)
    wanted = document([network(NETWORK, services((ADDRESS, "web")))], [guest.port(NETWORK, ADDRESS)])
    scene.apply(0, wanted)
    rules = scene.hosts[0].run("nft", "list", "ruleset")
    (before,) = scene.hosts[0].pids_of(NETWORK)
    scene.hosts[0].run(*harm.split())
    scene.apply(0, wanted)
    (now,) = scene.hosts[0].pids_of(NETWORK)
    assert now == before or not Path(f"/proc/{before}").exists(), "there are not two"
    assert scene.hosts[0].run("nft", "list", "ruleset") == rules
    assert guest.asks_for_an_address(scene.script)
    assert guest.reaches(OUTSIDE)


def test_a_driver_that_was_killed_half_way_is_no_harm(scene: Scene) -> None:
    host, guest = scene.hosts[0], scene.guest(0, "one-1-0", ADDRESS)
    wanted = document([network(NETWORK, services((ADDRESS, "web")))], [guest.port(NETWORK, ADDRESS)])
    host.run("ip", "netns", "add", "trifid-01234567-7")
    host.run("ip", "link", "add", "ts0123-7", "type", "veth", "peer", "name", "lan", "netns", "trifid-01234567-7")
    scene.apply(0, wanted)
    assert guest.asks_for_an_address(scene.script)


def test_nothing_is_left_of_services_that_are_not_wanted(scene: Scene) -> None:
    host, guest = scene.hosts[0], scene.guest(0, "one-1-0", ADDRESS)

    def present() -> list[str]:
        return [
            host.run("ip", "-o", "link"),
            host.run("nft", "list", "ruleset"),
            host.run("sh", "-c", "ls /run/netns /run/trifid 2>/dev/null || :"),
        ]

    host.run("mkdir", "-p", "/run/netns", "/run/trifid")
    before = present()
    scene.apply(0, document([network(NETWORK, services((ADDRESS, "web")))], [guest.port(NETWORK, ADDRESS)]))
    (pid,) = host.pids_of(NETWORK)
    assert present() != before
    scene.apply(0, document([network(NETWORK, None)], [guest.port(NETWORK, ADDRESS)], 2))
    assert present() == before
    assert not Path(f"/proc/{pid}").exists()


def test_a_host_without_dnsmasq_says_what_to_install(scene: Scene) -> None:
    host, guest = scene.hosts[0], scene.guest(0, "one-1-0", ADDRESS)
    host.run("sh", "-c", "mkdir /run/real && mount --bind /usr/sbin /run/real && mount -t tmpfs tmpfs /usr/sbin")
    host.run("sh", "-c", "for p in /run/real/*; do [ ${p##*/} = dnsmasq ] || ln -s $p /usr/sbin; done")
    troubles = Troubles()
    wanted = document([network(NETWORK, services((ADDRESS, "web")))], [guest.port(NETWORK, ADDRESS)])
    apply(host.tools, wanted, troubles)
    assert troubles.by_network == {7: "host host-a has no dnsmasq: install the package dnsmasq-base"}


def test_an_ipv6_address_is_given_to_whom_it_was_leased_to(scene: Scene) -> None:
    guest, stranger = scene.guest(0, "one-1-0", ADDRESS), scene.guest(0, "one-2-0", OTHER)
    named = Named(guest.mac, "web", (ADDRESS, "2001:db8:7::1"))
    served = services(known=(named,), address6="2001:db8:7::ff/64")
    ports = [guest.port(NETWORK, ADDRESS, "2001:db8:7::1"), stranger.port(NETWORK, OTHER)]
    scene.apply(0, document([network(NETWORK, served)], ports))
    assert guest.offered6() == "2001:db8:7::1"
    assert stranger.offered6() == ""
    guest.run("ip", "addr", "add", "2001:db8:7::1/64", "dev", "eth0", "nodad")
    assert guest.reaches("2001:db8:7::ff")
    assert "2001:db8:7::1" in guest.run("busybox", "nslookup", "-type=aaaa", "web.cloud.example", "2001:db8:7::ff")


def test_filtered_guests_have_services_and_beyond_them_what_their_groups_let_pass(scene: Scene) -> None:
    host, guest = scene.hosts[0], scene.guest(0, "one-1-0", ADDRESS)
    net = HostNetwork(
        id=NETWORK, driver="fw", bridge=BRIDGE, services=services((ADDRESS, "web"), address6="2001:db8:7::ff/64")
    )
    closed, opened = (
        replace(
            guest.port(NETWORK, ADDRESS, "2001:db8:7::1"),
            keeps_mac=True,
            keeps_ip=True,
            is_filtered=True,
            groups=groups,
        )
        for groups in ((), (100,))
    )
    outwards = Group(100, (Rule(is_inbound=False, protocol="all"),))
    with listening(8000):
        drive(host.tools, document([net], [closed]))
        host.until_ports_forward()
        assert guest.asks_for_an_address(scene.script)["ip"] == f"{ADDRESS}/24"
        assert guest.resolves("web.cloud.example", SERVICE)
        assert guest.reaches(SERVICE)
        assert not guest.reaches(OUTSIDE)
        drive(host.tools, replace(document([net], [opened], 2), groups=(outwards,)))
        assert guest.run("busybox", "nc", "-w", "3", OUTSIDE, "8000") == "hello\n"
        rules = host.run("nft", "list", "ruleset")
        drive(host.tools, replace(document([net], [opened], 3), groups=(outwards,)))
        assert host.run("nft", "list", "ruleset") == rules
    drive(host.tools, document([], [], 4))
    assert host.run("sh", "-c", "ls /run/netns /run/trifid 2>/dev/null || :").split() == ["/run/netns:", "/run/trifid:"]
