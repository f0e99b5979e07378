"""The network driver on hosts that are namespaces: what guests can reach, and what they cannot."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.lab.netns import Guest, Space, talks
from trifid.core.network.host_document import Bandwidth, Group, HostDocument, HostNetwork, Port, Rule
from trifid.drivers.vnm import names
from trifid.drivers.vnm.apply import apply

ENGINE = "ab12cd34ef"
BRIDGE = "onebr1"
NETWORK = HostNetwork(1, "fw", BRIDGE, is_bridge_made=True)
OUT, IN = Rule(False, "all"), Rule(True, "all")
OPEN = Group(0, (OUT, IN))
SILENT = Group(100, (OUT,))
SSH = Group(101, (OUT, Rule(True, "tcp", ((22, 22),)), Rule(True, "icmp", icmp_type=8)))


def mac_of(number: int) -> str:
    return f"02:00:0a:00:00:{number:02x}"


def port_of(number: int, *groups: int, network: int = 1, ip6: bool = False, **more: object) -> Port:
    """Return the port of VM `number`, 10.0.0.NUMBER."""
    addresses = (f"10.0.0.{number}", f"fd00::{number:x}") if ip6 else (f"10.0.0.{number}",)
    return Port(
        vm_id=number,
        nic_id=0,
        device=f"one-{number}-0",
        network_id=network,
        mac=mac_of(number),
        addresses=addresses,
        keeps_mac=True,
        keeps_ip=True,
        is_filtered=True,
        groups=groups,
        **more,  # type: ignore[arg-type]
    )


def document(
    *ports: Port, groups: tuple[Group, ...] = (OPEN,), networks: tuple[HostNetwork, ...] = (NETWORK,), **more: object
) -> HostDocument:
    return HostDocument(ENGINE, "host-a", 1, networks=networks, ports=ports, groups=groups, **more)  # type: ignore[arg-type]


def tell(host: Space, what: HostDocument) -> None:
    troubles = apply(host.tools(), names.check(what))
    assert (troubles.by_network, troubles.of_none) == ({}, [])


@pytest.fixture
def keep() -> Iterator[contextlib.ExitStack]:
    """What a test makes ends with it."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def host(keep: contextlib.ExitStack) -> Space:
    """A host on which nothing was done yet."""
    return space(keep, "host-a")


def space(keep: contextlib.ExitStack, name: str) -> Space:
    made = Space(name)
    keep.callback(made.end)
    return made


def guest(keep: contextlib.ExitStack, host: Space, number: int, *addresses: str, bridge: str = BRIDGE) -> Guest:
    """Start a guest, on a host that was told of it."""
    made = Guest(host, f"one-{number}-0", mac_of(number), *(addresses or (f"10.0.0.{number}/24",)))
    keep.callback(made.end)
    made.plug(bridge)
    return made


def pair(keep: contextlib.ExitStack, host: Space, *groups: Group, ip6: bool = False) -> tuple[Guest, Guest]:
    """Return two guests of one network, the second in these groups, the first in one that lets all pass."""
    tell(host, document(port_of(5, 0, ip6=ip6), port_of(6, *(g.id for g in groups), ip6=ip6), groups=(OPEN, *groups)))
    return tuple(  # type: ignore[return-value]
        guest(keep, host, n, *((f"10.0.0.{n}/24", f"fd00::{n}/64") if ip6 else ())) for n in (5, 6)
    )


def frame(to: str, sender: str, kind: int, payload: bytes) -> bytes:
    return bytes.fromhex((to + sender).replace(":", "")) + kind.to_bytes(2, "big") + payload


def arp(mac: str, ip: str, asked: str, operation: int = 1) -> bytes:
    head = bytes.fromhex("0001080006040000")[:-1] + bytes([operation])
    return head + bytes.fromhex(mac.replace(":", "")) + socket.inet_aton(ip) + bytes(6) + socket.inet_aton(asked)


def udp(source: str, target: str, text: bytes, ports: tuple[int, int] = (9, 9)) -> bytes:
    """Return an IPv4 packet; a checksum of 0 in UDP means none."""
    body = (
        ports[0].to_bytes(2, "big") + ports[1].to_bytes(2, "big") + (8 + len(text)).to_bytes(2, "big") + b"\0\0" + text
    )
    head = bytes.fromhex("4500") + (20 + len(body)).to_bytes(2, "big") + bytes.fromhex("0000000040110000")
    head += socket.inet_aton(source) + socket.inet_aton(target)
    total = sum(int.from_bytes(head[i : i + 2], "big") for i in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + (~((total & 0xFFFF) + (total >> 16)) & 0xFFFF).to_bytes(2, "big") + head[12:] + body


def hears(card: socket.socket, text: bytes) -> bool:
    """Tell whether a frame with a text in it arrives."""
    with contextlib.suppress(TimeoutError):
        while True:
            if text in card.recv(4096):
                return True
    return False


EVERYBODY = "ff:ff:ff:ff:ff:ff"


# -- reach ---------------------------------------------------------------------------------------------


def test_guests_of_one_network_reach_each_other(keep: contextlib.ExitStack, host: Space) -> None:
    one, other = pair(keep, host, OPEN)
    assert one.pings("10.0.0.6")
    listener = other.listen(80)
    client = one.connect("10.0.0.6", 80)
    assert talks(client, listener.accept()[0])


def test_guests_reach_each_other_by_ipv6(keep: contextlib.ExitStack, host: Space) -> None:
    one, other = pair(keep, host, Group(102, (OUT, Rule(True, "tcp", ((80, 80),), peers=("fd00::/64",)))), ip6=True)
    other.listen(80, socket.AF_INET6)
    assert one.reaches("fd00::6", 80)
    assert not one.pings("fd00::6")  # no rule lets it pass
    assert other.pings("fd00::5")


def test_guests_of_different_vxlans_on_the_same_hosts_do_not_reach_each_other(keep: contextlib.ExitStack) -> None:
    hosts = [space(keep, "host-a"), space(keep, "host-b")]
    hosts[0].run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", str(hosts[1].pid))
    networks = []
    for index, host in enumerate(hosts, 1):
        host.run("ip", "address", "add", f"192.0.2.{index}/24", "dev", "wire")
        host.run("ip", "link", "set", "wire", "up")
        networks.append(
            tuple(
                HostNetwork(n, "vxlan", f"onebr{n}", True, vlan_id=40 + n, peers=(f"192.0.2.{3 - index}",))
                for n in (1, 2)
            )
        )
    guests = {}
    for index, host in enumerate(hosts):
        ports = [port_of(5 + index, 0), port_of(7 + index, 0, network=2)]
        tell(host, document(*ports, networks=networks[index], address=f"192.0.2.{index + 1}"))
        for port in ports:
            guests[port.vm_id] = guest(keep, host, port.vm_id, bridge=f"onebr{port.network_id}")
    assert guests[5].pings("10.0.0.6")
    assert guests[7].pings("10.0.0.8")
    assert not guests[5].pings("10.0.0.8")
    assert not guests[5].pings("10.0.0.7")
    # nobody has a peer any more: nothing is sent there, and nothing comes from there to be learnt from
    for index, host in reversed(list(enumerate(hosts))):
        alone = HostNetwork(1, "vxlan", "onebr1", True, vlan_id=41)
        tell(host, document(port_of(5 + index, 0), networks=(alone,), address=f"192.0.2.{index + 1}"))
    assert not guests[5].pings("10.0.0.6")


def test_equal_addresses_in_two_networks_of_a_host_are_different_guests(
    keep: contextlib.ExitStack, host: Space
) -> None:
    """What one has asked for is no answer to its twin, which nobody may talk to."""
    networks = (NETWORK, HostNetwork(2, "fw", "onebr2", True))
    ports = [port_of(5, 100), port_of(6, 0)]
    twins = [
        Port(n + 10, 0, f"one-{n + 10}-0", 2, mac_of(n + 10), (f"10.0.0.{n}",), True, True, True, (group,))
        for n, group in ((5, 100), (6, 0))
    ]
    tell(host, document(*ports, *twins, groups=(OPEN, SILENT), networks=networks))
    one, other = guest(keep, host, 5), guest(keep, host, 6)
    twin, other_twin = (guest(keep, host, n + 10, f"10.0.0.{n}/24", bridge="onebr2") for n in (5, 6))
    asks, hears_twin = one.datagrams(3333), twin.datagrams(3333)
    answers, forges = other.datagrams(53), other_twin.datagrams(53)
    asks.sendto(b"question", ("10.0.0.6", 53))
    assert answers.recv(99) == b"question"
    answers.sendto(b"answer", ("10.0.0.5", 3333))
    assert asks.recv(99) == b"answer"
    forges.sendto(b"forged", ("10.0.0.5", 3333))
    with pytest.raises(TimeoutError):
        hears_twin.recv(99)


# -- forgeries -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "source"), [(mac_of(5), "10.0.0.66"), (mac_of(66), "10.0.0.5"), (mac_of(6), "10.0.0.6")]
)
def test_a_guest_that_forges_its_mac_or_ip_is_silent(
    keep: contextlib.ExitStack, host: Space, sender: str, source: str
) -> None:
    one, other = pair(keep, host, OPEN)
    card, ear = one.wire(), other.wire()
    card.send(frame(mac_of(6), mac_of(5), 0x800, udp("10.0.0.5", "10.0.0.6", b"as it is")))
    assert hears(ear, b"as it is")
    card.send(frame(mac_of(6), sender, 0x800, udp(source, "10.0.0.6", b"forged")))
    card.send(frame(EVERYBODY, sender, 0x806, arp(sender, source, "10.0.0.6") + b"forged"))
    assert not hears(ear, b"forged")


@pytest.mark.parametrize(
    ("sender", "source", "operation"),
    [(mac_of(5), "10.0.0.6", 2), (mac_of(6), "10.0.0.5", 1), (mac_of(5), "0.0.0.0", 1)],
)
def test_a_guest_claims_nobody_elses_address(
    keep: contextlib.ExitStack, host: Space, sender: str, source: str, operation: int
) -> None:
    """Neither in an ARP whose frame is true, nor by asking whether another's is taken."""
    one, other = pair(keep, host, OPEN)
    card, ear = one.wire(), other.wire()
    card.send(frame(EVERYBODY, mac_of(5), 0x806, arp(mac_of(5), "10.0.0.5", "10.0.0.6") + b"as it is"))
    assert hears(ear, b"as it is")
    card.send(frame(EVERYBODY, mac_of(5), 0x806, arp(sender, source, "10.0.0.6", operation) + b"forged"))
    assert not hears(ear, b"forged")


@pytest.mark.parametrize(
    ("kind", "target"), [(136, "fd00::6"), (134, "fd00::5"), (137, "fd00::5")], ids=["neighbour", "router", "redirect"]
)
def test_a_guest_is_neither_another_nor_a_router_in_ipv6(
    keep: contextlib.ExitStack, host: Space, kind: int, target: str
) -> None:
    one, other = pair(keep, host, OPEN, ip6=True)
    card, ear = one.wire(), other.wire()

    def says(kind: int, target: str, text: bytes) -> None:
        body = bytes([kind, 0, 0, 0, 0, 0, 0, 0]) + socket.inet_pton(socket.AF_INET6, target) + text
        ends = (socket.inet_pton(socket.AF_INET6, address) for address in ("fd00::5", "ff02::1"))
        packet = bytes.fromhex("60000000") + len(body).to_bytes(2, "big") + bytes([58, 255]) + b"".join(ends) + body
        card.send(frame("33:33:00:00:00:01", mac_of(5), 0x86DD, packet))

    says(136, "fd00::5", b"as it is")
    assert hears(ear, b"as it is")
    says(kind, target, b"forged")
    assert not hears(ear, b"forged")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (0x8100, b"\0\7\x08\0" + udp("10.0.0.5", "10.0.0.6", b"forged")),
        (0x88A8, b"\0\7\x81\0\0\7\x08\0" + udp("10.0.0.5", "10.0.0.6", b"forged")),
        (0x8863, b"forged"),
        (0x800, udp("10.0.0.5", "10.0.0.6", b"forged", (67, 68))),
    ],
    ids=["tagged", "tagged twice", "pppoe", "as a DHCP server"],
)
def test_what_filters_cannot_see_into_does_not_pass(
    keep: contextlib.ExitStack, host: Space, kind: int, body: bytes
) -> None:
    one, other = pair(keep, host, OPEN)
    ear = other.wire()
    one.wire().send(frame(mac_of(6), mac_of(5), kind, body))
    assert not hears(ear, b"forged")


def test_a_guest_asks_for_an_address_before_it_has_one(keep: contextlib.ExitStack, host: Space) -> None:
    one, other = pair(keep, host, OPEN)
    ear = other.wire()
    asks = udp("0.0.0.0", "255.255.255.255", b"discover", (68, 67))
    one.wire().send(frame(EVERYBODY, mac_of(5), 0x800, asks))
    assert hears(ear, b"discover")


# -- security groups -----------------------------------------------------------------------------------


def test_what_no_rule_lets_pass_does_not(keep: contextlib.ExitStack, host: Space) -> None:
    one, other = pair(keep, host, SILENT)
    other.listen(22)
    assert not one.reaches("10.0.0.6", 22)
    assert not one.pings("10.0.0.6")
    assert other.pings("10.0.0.5")  # answers come back


def test_what_a_guest_may_not_send_it_does_not(keep: contextlib.ExitStack, host: Space) -> None:
    one, other = pair(keep, host, Group(103, (IN, Rule(False, "udp", ((53, 53),)))))
    one.listen(80)
    assert not other.reaches("10.0.0.5", 80)
    assert one.pings("10.0.0.6")


def test_a_change_opens_and_closes_a_port_and_breaks_no_other_connection(
    keep: contextlib.ExitStack, host: Space
) -> None:
    one, other = pair(keep, host, SILENT)
    ssh, web = other.listen(22), other.listen(80)
    assert not one.reaches("10.0.0.6", 22)

    web_rule, ssh_rule = Rule(True, "tcp", ((80, 80),)), Rule(True, "tcp", ((22, 22),))

    def now(*rules: Rule) -> None:
        tell(host, document(port_of(5, 0), port_of(6, 100), groups=(OPEN, Group(100, (OUT, *rules)))))

    now(ssh_rule, web_rule)
    client, kept = one.connect("10.0.0.6", 22), one.connect("10.0.0.6", 80)
    ends = (client, ssh.accept()[0])
    others = (kept, web.accept()[0])
    assert talks(*ends)
    assert talks(*others)
    now(web_rule)
    assert not one.reaches("10.0.0.6", 22)
    assert not talks(*ends)  # the rule that it lived by is gone
    assert talks(*others)


def test_a_peer_is_told_from_another(keep: contextlib.ExitStack, host: Space) -> None:
    group = Group(104, (OUT, Rule(True, "tcp", ((80, 90),), peers=("10.0.0.4/31",))))
    tell(host, document(port_of(5, 0), port_of(6, 104), port_of(7, 0), groups=(OPEN, group)))
    one, other, third = (guest(keep, host, n) for n in (5, 6, 7))
    other.listen(85)
    assert one.reaches("10.0.0.6", 85)
    assert not third.reaches("10.0.0.6", 85)


def test_groups_hold_for_what_comes_from_another_host(keep: contextlib.ExitStack, host: Space) -> None:
    """Through a card that the network leaves by, as from a neighbour that nobody filters."""
    outside = Guest(host, "eth1", "02:00:0a:00:00:99", "10.0.0.99/24")
    keep.callback(outside.end)
    tell(host, document(port_of(6, 101), groups=(SSH,), networks=(HostNetwork(1, "fw", BRIDGE, True, "eth1"),)))
    inside = guest(keep, host, 6)
    outside.settle()
    for port in (22, 80):
        inside.listen(port)
    assert outside.pings("10.0.0.6")
    assert outside.reaches("10.0.0.6", 22)
    assert not outside.reaches("10.0.0.6", 80)


def test_a_guest_is_closed_before_its_interface_is_there(keep: contextlib.ExitStack, host: Space) -> None:
    one, _ = pair(keep, host, OPEN)
    tell(host, document(port_of(5, 0), port_of(6, 0), port_of(8, 100), groups=(OPEN, SILENT)))
    late = guest(keep, host, 8)
    assert not one.pings("10.0.0.8")
    assert late.pings("10.0.0.5")


def test_what_the_host_routes_to_a_guest_is_filtered_too(keep: contextlib.ExitStack, host: Space) -> None:
    tell(host, document(port_of(6, 101), groups=(SSH,)))
    inside = guest(keep, host, 6)
    outside = Guest(host, "far", "02:00:0a:00:00:99", "192.0.2.9/24")
    keep.callback(outside.end)
    host.run("ip", "address", "add", "10.0.0.254/24", "dev", BRIDGE)
    host.run("ip", "address", "add", "192.0.2.254/24", "dev", "far")
    host.run("ip", "link", "set", "far", "up")
    outside.settle()
    host.call(lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
    inside.run("ip", "route", "add", "default", "via", "10.0.0.254")
    outside.run("ip", "route", "add", "default", "via", "192.0.2.254")
    tell(host, document(port_of(6, 101), groups=(SSH,)))
    for port in (22, 80):
        inside.listen(port)
    assert outside.reaches("10.0.0.6", 22)
    assert not outside.reaches("10.0.0.6", 80)


def test_a_guest_that_may_send_nothing_does_not_reach_the_host(keep: contextlib.ExitStack, host: Space) -> None:
    mute = Group(105, ())
    tell(host, document(port_of(5, 0), port_of(6, 105), groups=(OPEN, mute)))
    one, other = guest(keep, host, 5), guest(keep, host, 6)
    host.run("ip", "address", "add", "10.0.0.254/24", "dev", BRIDGE)
    assert one.pings("10.0.0.254")
    assert not other.pings("10.0.0.254")


def test_a_bridge_whose_packets_are_not_shown_to_the_ip_hooks_is_closed(
    keep: contextlib.ExitStack, host: Space
) -> None:
    one, _ = pair(keep, host, OPEN)
    assert one.pings("10.0.0.6")
    host.call(lambda: Path("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("0"))
    assert one.pings("10.0.0.6")  # the bridge says so itself
    host.run("ip", "link", "set", "dev", BRIDGE, "type", "bridge", "nf_call_iptables", "0")
    assert not one.pings("10.0.0.6")
    tell(host, document(port_of(5, 0), port_of(6, 0)))
    assert one.pings("10.0.0.6")


def test_packets_in_fragments_are_seen_whole(keep: contextlib.ExitStack, host: Space) -> None:
    one, other = pair(keep, host, Group(106, (OUT, Rule(True, "udp", ((53, 53),)))))
    ears = {port: other.datagrams(port) for port in (53, 54)}
    mouth = one.datagrams(9)
    for port in (53, 54):
        mouth.sendto(b"x" * 4000, ("10.0.0.6", port))
    assert len(ears[53].recv(8000)) == 4000
    with pytest.raises(TimeoutError):
        ears[54].recv(8000)


# -- limits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["inbound", "outbound"])
def test_a_limit_makes_it_slow_in_its_direction_only(keep: contextlib.ExitStack, host: Space, way: str) -> None:
    limit = {way: Bandwidth(average_kib_s=256, burst_kib=32)}
    wanted = document(port_of(5, 0), msgspec.structs.replace(port_of(6, 0), **limit))
    tell(host, wanted)
    one, other = guest(keep, host, 5), guest(keep, host, 6)
    tell(host, wanted)
    assert one.pings("10.0.0.6")
    listener = other.listen(80)
    far = one.connect("10.0.0.6", 80)
    near = listener.accept()[0]
    limited, free = ((far, near), (near, far)) if way == "inbound" else ((near, far), (far, near))
    assert seconds(*free) < 0.6
    assert 0.8 < seconds(*limited) < 5


def seconds(source: socket.socket, sink: socket.socket, kib: int = 320) -> float:
    """Return how long it takes to bring so much from one end of a connection to the other."""
    for end in (source, sink):
        end.settimeout(10)
    began = time.monotonic()
    sender = threading.Thread(target=source.sendall, args=(b"x" * kib * 1024,))
    sender.start()
    left = kib * 1024
    while left:
        left -= len(sink.recv(65536))
    sender.join()
    return time.monotonic() - began


def test_groups_hold_for_a_guest_whose_network_gives_no_addresses(keep: contextlib.ExitStack, host: Space) -> None:
    without = msgspec.structs.replace(port_of(6, 101), addresses=(), keeps_ip=False)
    tell(host, document(port_of(5, 0), without, groups=(OPEN, SSH)))
    one, other = guest(keep, host, 5), guest(keep, host, 6)
    for port in (22, 80):
        other.listen(port)
    assert one.reaches("10.0.0.6", 22)
    assert not one.reaches("10.0.0.6", 80)


def test_a_guest_that_should_not_be_there_is_silent(keep: contextlib.ExitStack, host: Space) -> None:
    one, other = pair(keep, host, OPEN)
    third = guest(keep, host, 7)
    assert one.pings("10.0.0.6")
    tell(host, document(port_of(5, 0), others=("one-7-0",)))
    assert not one.pings("10.0.0.6")
    assert not other.pings("10.0.0.7")
    assert third.pings("10.0.0.5")
    tell(host, document())
    assert not other.pings("10.0.0.5")
