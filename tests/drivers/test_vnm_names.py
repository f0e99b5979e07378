"""What a document may not say: it comes to no host."""

import re
from typing import Any

import pytest
from msgspec.structs import replace

from tests.drivers.vnm_builders import document, network, port, rich
from trifid.core.network.host_document import Bandwidth, Group, HostDocument, Rule, Services
from trifid.drivers.kit import Failure
from trifid.drivers.vnm.names import check

INJECTIONS = ['a"; flush ruleset; "', "a\nb", "$(reboot)", "`reboot`", "a;reboot", "a b", "'", "-x", "a\0b", "ä", "*"]
MADE = {
    "engine": lambda text: replace(document(), engine_id=text),
    "bridge": lambda text: document(networks=(network(bridge=text),)),
    "phydev": lambda text: document(networks=(network(phydev=text),)),
    "driver": lambda text: document(networks=(network(driver=text),)),
    "peer": lambda text: document(networks=(network(driver="vxlan", vlan_id=1, peers=(text,)),)),
    "multicast": lambda text: document(networks=(network(driver="vxlan", vlan_id=1, multicast=text),)),
    "service": lambda text: document(networks=(network(services=Services(f"10.0.0.1/24{text}")),)),
    "service6": lambda text: document(networks=(network(services=Services("10.0.0.1/24", f"{text}/64")),)),
    "address of the host": lambda text: document(address=text),
    "device": lambda text: document(ports=(port(device=text),)),
    "mac": lambda text: document(ports=(port(mac=text),)),
    "address": lambda text: document(ports=(port(addresses=(text,)),)),
    "protocol": lambda text: document(groups=(Group(0, (Rule(True, text),)),)),
    "rule's peer": lambda text: document(groups=(Group(0, (Rule(True, "all", peers=(text,)),)),)),
}
WRONG: dict[str, tuple[HostDocument, str]] = {
    "long name": (document(networks=(network(bridge="a" * 16),)), "network 1: the bridge"),
    "VLAN 4095": (
        document(networks=(network(driver="802.1Q", phydev="eth1", vlan_id=4095),)),
        "VLAN_ID cannot be 4095",
    ),
    "vxlan -1": (document(networks=(network(driver="vxlan", vlan_id=-1),)), "VLAN_ID cannot be -1"),
    "MTU": (document(networks=(network(mtu=60),)), "MTU cannot be 60"),
    "group of nobody": (
        document(networks=(network(driver="vxlan", vlan_id=1, multicast="10.0.0.1"),)),
        "10.0.0.1 is no multicast group",
    ),
    "scope": (document(ports=(port(addresses=("fe80::1%eth0",)),)), "NIC 0 of VM 5: the address"),
    "network that is not there": (document(ports=(port(network=2),)), "its network 2 is not in the document"),
    "two of a device": (
        document(ports=(port(), port(6, device="one-5-0"))),
        "interface one-5-0 is in the document twice",
    ),
    "two of a network": (document(networks=(network(), network())), "network 1 is in the document twice"),
    "bandwidth": (document(ports=(port(inbound=Bandwidth(-1)),)), "a bandwidth cannot be -1"),
    "port": (document(groups=(Group(7, (Rule(True, "tcp", ((1, 70000),)),)),)), "security group 7: the last port"),
    "ports of all": (document(groups=(Group(7, (Rule(True, "all", ((1, 2),)),)),)), "all has no ports"),
    "ICMP type": (document(groups=(Group(7, (Rule(True, "icmp", icmp_type=256),)),)), "an ICMP type cannot be 256"),
    "bits beyond the prefix": (document(groups=(Group(7, (Rule(True, "all", peers=("10.0.0.1/8",)),)),)), "no network"),
    "no prefix": (document(networks=(network(services=Services("10.0.0.1")),)), "has no prefix length"),
}


def test_a_document_with_everything_in_it_passes() -> None:
    assert check(rich()) == rich()


@pytest.mark.parametrize("text", INJECTIONS, ids=repr)
@pytest.mark.parametrize("where", MADE)
def test_what_is_no_name_or_address_is_refused(where: str, text: str) -> None:
    made: Any = MADE[where]
    with pytest.raises(Failure):
        check(made(text))


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_refused_and_named(what: str) -> None:
    wrong, text = WRONG[what]
    with pytest.raises(Failure, match=re.escape(text)):
        check(wrong)
