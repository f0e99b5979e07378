"""The network driver on a host that is a namespace: what it leaves there, and what it leaves alone."""

import contextlib
import re

from tests.lab.netns import Space
from tests.lab.test_vnm_linux import BRIDGE, NETWORK, OPEN, SSH, document, guest, host, keep, port_of, space, tell
from trifid.core.network.host_document import Bandwidth, HostDocument, HostNetwork
from trifid.drivers.vnm import names
from trifid.drivers.vnm.apply import apply, table_name
from trifid.drivers.vnm.tools import Tools

__all__ = ["host", "keep"]

VXLAN = HostNetwork(2, "vxlan", "onebr2", True, vlan_id=77, peers=("192.0.2.2", "192.0.2.3"))
LIMIT = Bandwidth(1024, 4096, 64)
RICH = document(
    port_of(5, 0, 101, ip6=True, inbound=LIMIT, outbound=LIMIT),
    port_of(6, 101),
    port_of(7, 0, network=2, outbound=LIMIT),
    groups=(OPEN, SSH),
    networks=(NETWORK, VXLAN),
    address="192.0.2.1",
)
NOTHING = document(groups=(), networks=())


def state(host: Space) -> str:
    """Return all that a network driver could change on a host, without what changes by itself."""
    shown = [
        host.run("ip", "-d", "link", "show"),
        host.run("bridge", "fdb", "show"),
        host.run("nft", "list", "ruleset"),
        host.run("tc", "qdisc", "show"),
        *(host.run("tc", "filter", "show", "dev", name, "parent", "ffff:") for name in cards(host)),
    ]
    moving = r"\b(?:\w*_timer|ref|bind|refcnt|expires) +[\d.]+|\bstate (?:UP|DOWN|UNKNOWN)\b|NO-CARRIER,"
    return re.sub(moving, "", "\n".join(shown))


def cards(host: Space) -> list[str]:
    return [name for name in interfaces(host) if name.startswith("one-")]


def interfaces(host: Space) -> list[str]:
    return re.findall(r"(?m)^\d+: ([^:@]+)", host.run("ip", "-o", "link", "show"))


def started(keep: contextlib.ExitStack, host: Space, what: HostDocument) -> None:
    """Tell a host of its guests, start them, tell it again as the engine does."""
    tell(host, what)
    bridges = {network.id: network.bridge for network in what.networks}
    for port in what.ports:
        guest(keep, host, port.vm_id, bridge=bridges[port.network_id])
    tell(host, what)


def test_what_is_told_twice_changes_nothing(keep: contextlib.ExitStack, host: Space) -> None:
    started(keep, host, RICH)
    before = state(host)
    tell(host, RICH)
    assert state(host) == before
    assert "vx-77" in before
    assert "tbf" in before


def test_nothing_is_left_of_guests_that_are_gone(keep: contextlib.ExitStack, host: Space) -> None:
    empty = state(host)
    with contextlib.ExitStack() as guests:
        started(guests, host, RICH)
        for card in cards(host):  # at once: with its guest's namespace one goes at some later moment
            host.run("ip", "link", "del", card)
    tell(host, NOTHING)
    assert state(host) == empty


def test_a_bridge_stays_while_a_guest_is_on_it(keep: contextlib.ExitStack, host: Space) -> None:
    started(keep, host, document(port_of(5, 0)))
    tell(host, NOTHING)
    assert BRIDGE in interfaces(host)
    host.run("ip", "link", "del", "one-5-0")
    tell(host, NOTHING)
    assert BRIDGE not in interfaces(host)


def test_what_others_have_made_is_left_alone(keep: contextlib.ExitStack, host: Space) -> None:
    host.run("ip", "link", "add", BRIDGE, "type", "bridge")
    host.run("ip", "link", "add", "others", "type", "bridge")
    host.run("ip", "link", "set", "others", "alias", "trifid:another")
    host.run(
        "nft", "-f", "-", text="table inet trifid_another {\n chain c {\n }\n}\ntable ip nat {\n chain c {\n }\n}\n"
    )
    started(keep, host, document(port_of(5, 0)))
    host.run("ip", "link", "del", "one-5-0")
    tell(host, NOTHING)
    assert {BRIDGE, "others"} <= set(interfaces(host))
    assert host.run("nft", "list", "tables") == "table inet trifid_another\ntable ip nat\n"


def test_limits_that_are_taken_away_are_gone(keep: contextlib.ExitStack, host: Space) -> None:
    started(keep, host, document(port_of(5, 0, inbound=LIMIT, outbound=LIMIT)))
    assert "tbf" in host.run("tc", "qdisc", "show")
    tell(host, document(port_of(5, 0)))
    assert "tbf" not in host.run("tc", "qdisc", "show")
    assert not host.run("tc", "filter", "show", "dev", "one-5-0", "parent", "ffff:")
    assert not [name for name in interfaces(host) if name.startswith("ti")]


def test_hosts_that_come_and_go_are_followed(keep: contextlib.ExitStack, host: Space) -> None:
    for peers in (("192.0.2.2", "192.0.2.3"), ("192.0.2.3",), ("192.0.2.4", "192.0.2.3"), ()):
        network = HostNetwork(2, "vxlan", "onebr2", True, vlan_id=77, peers=peers)
        tell(host, document(port_of(7, 0, network=2), networks=(network,)))
        assert set(re.findall(r"dst (\S+)", host.run("bridge", "fdb", "show", "dev", "vx-77"))) == set(peers)


def test_a_vxlan_that_became_another_is_made_anew(keep: contextlib.ExitStack, host: Space) -> None:
    for address in ("192.0.2.1", "192.0.2.9"):
        tell(host, document(port_of(7, 0, network=2), networks=(VXLAN,), address=address))
        assert f"local {address}" in host.run("ip", "-d", "link", "show", "dev", "vx-77")
        assert "master onebr2" in host.run("ip", "link", "show", "dev", "vx-77")


class Killed(Exception):
    """The driver ends here."""


class Mortal(Tools):
    """Tools of a driver that is killed after so many commands."""

    left = 0

    def run(self, *argv: str) -> str:
        self._spend()
        return super().run(*argv)

    def feed(self, text: str, *argv: str) -> str:
        self._spend()
        return super().feed(text, *argv)

    def _spend(self) -> None:
        if not self.left:
            raise Killed
        self.left -= 1


def test_killed_anywhere_and_told_again_it_ends_in_the_same_place(keep: contextlib.ExitStack) -> None:
    whole = comparable(rich_host(keep))
    died = 0
    for steps in range(60):
        one = rich_host(keep, is_told=False)
        mortal = Mortal(one.tools().host)
        mortal.left = steps
        try:
            apply(mortal, names.check(RICH))
        except Killed:
            died += 1
            tell(one, RICH)
            assert comparable(one) == whole
        else:
            break
        one.end()
    assert died > 10
    assert died < 59


def comparable(host: Space) -> str:
    """Return the state without numbers and addresses that the kernel gives."""
    text = re.sub(r"([0-9a-f]{2}:){5}[0-9a-f]{2}|80{3}\.[0-9a-f:]+", "MAC", state(host))
    return "\n".join(sorted(re.sub(r"(?m)^\d+: |link-netnsid \d+|index \d+", "", text).splitlines()))


def rich_host(keep: contextlib.ExitStack, *, is_told: bool = True) -> Space:
    """Return a host with the interfaces of two guests."""
    one = space(keep, "host-a")
    for number in (5, 7):
        one.run("ip", "link", "add", f"one-{number}-0", "type", "veth", "peer", "name", f"peer{number}")
    if is_told:
        tell(one, RICH)
    return one


def test_a_card_that_is_needed_elsewhere_is_not_taken(keep: contextlib.ExitStack, host: Space) -> None:
    host.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "far")
    host.run("ip", "address", "add", "192.0.2.1/24", "dev", "eth1")
    networks = (HostNetwork(1, "fw", BRIDGE, True, "eth1"), HostNetwork(2, "fw", "onebr2", True))
    troubles = apply(host.tools(), names.check(document(port_of(5, 0), port_of(7, 0, network=2), networks=networks)))
    assert list(troubles.by_network) == [1]
    assert "host-a: eth1 has addresses of the host, 192.0.2.1: as a port of onebr1" in troubles.by_network[1]
    assert "onebr2" in interfaces(host)  # the trouble of one network is not the other's


def test_a_kernel_without_vlans_is_said_to_refuse(keep: contextlib.ExitStack, host: Space) -> None:
    """Or they work: then the interface is there."""
    host.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "far")
    what = document(port_of(5, 0), networks=(HostNetwork(1, "802.1Q", BRIDGE, True, "eth1", 7),))
    why = apply(host.tools(), names.check(what)).by_network.get(1)
    if why:
        assert re.search(r"ip link add link eth1 name eth1\.7 .* type vlan id 7: .*not supported|Unknown", why)
    else:
        assert "eth1.7" in interfaces(host)


def test_the_tables_bear_the_engines_name(host: Space) -> None:
    tell(host, document(port_of(5, 0)))
    name = table_name("ab12cd34ef")
    assert host.run("nft", "list", "tables") == f"table bridge {name}\ntable inet {name}\n"
