"""What a host must be for the NICs on it."""

import pytest

from tests.core.vm.builders import vm
from trifid.core.network.host_document import Group
from trifid.core.network.hosting import Records, document_of, is_managed, ports_of
from trifid.core.network.record import Network
from trifid.core.template.model import template

NIC = {
    "NIC_ID": "0", "NETWORK_ID": "2", "MAC": "02:00:0A:00:00:01", "IP": "10.0.0.1", "IP6_ULA": "fd00::1",
    "TARGET": "one-42-0", "SECURITY_GROUPS": "0,100",
}  # fmt: skip


def network(vn_mad: str, **more: str) -> Network:
    return Network(
        id=2, uid=0, gid=0, name="private", bridge="onebr2", vn_mad=vn_mad, vlan_id="77", template=template(**more)
    )


def document(one: Network, *nics: dict[str, str], peers: tuple[str, ...] = ()):
    machine = vm(template=template(NIC=list(nics or [NIC])))
    records = Records(network={2: one}.get, group=Group, services=lambda _: None, peers=lambda _: peers)
    return document_of(engine_id="e", host="host3", address="host3", version=9, vms=[machine], records=records)


def test_a_filtered_port_keeps_its_addresses_and_has_its_groups() -> None:
    made = document(network("fw"))
    (port,) = made.ports
    assert (port.device, port.mac) == ("one-42-0", "02:00:0a:00:00:01")
    assert port.addresses == ("10.0.0.1", "fd00::1")
    assert port.keeps_mac and port.keeps_ip and port.is_filtered
    assert [group.id for group in made.groups] == [0, 100]


def test_a_plain_bridge_asks_nothing_of_a_host_unless_its_network_says_so() -> None:
    assert document(network("bridge")).ports == ()
    assert document(network("dummy")).ports == ()
    (port,) = document(network("bridge", FILTER_MAC_SPOOFING="YES")).ports
    assert port.keeps_mac and not port.keeps_ip and not port.is_filtered


@pytest.mark.parametrize("key", ["FILTER_IP_SPOOFING", "FILTER_MAC_SPOOFING"])
def test_an_administrator_may_let_guests_pretend(key: str) -> None:
    (port,) = document(network("vxlan", **{key: "NO"})).ports
    assert (port.keeps_mac, port.keeps_ip) == (key != "FILTER_MAC_SPOOFING", key != "FILTER_IP_SPOOFING")


def test_a_limit_is_a_reason_to_manage_a_nic() -> None:
    limited = {**NIC, "INBOUND_AVG_BW": "100", "INBOUND_PEAK_BW": "200", "INBOUND_PEAK_KB": "50"}
    assert is_managed(network("bridge"), limited)
    (port,) = document(network("bridge"), limited).ports
    assert (port.inbound.average_kib_s, port.inbound.peak_kib_s, port.inbound.burst_kib) == (100, 200, 50)
    assert port.outbound.average_kib_s == 0


def test_a_vxlan_knows_its_peers_or_its_multicast_group() -> None:
    (hosted,) = document(network("vxlan"), peers=("host4",)).networks
    assert (hosted.vlan_id, hosted.peers, hosted.multicast, hosted.is_bridge_made) == (77, ("host4",), "", True)
    (hosted,) = document(network("vxlan", VXLAN_MC="239.1.0.0"), peers=("host4",)).networks
    assert (hosted.peers, hosted.multicast) == ((), "239.1.0.77")


def test_a_network_without_addresses_is_not_filtered_by_them_but_its_groups_hold() -> None:
    (port,) = document(network("fw"), {k: v for k, v in NIC.items() if not k.startswith("IP")}).ports
    assert port.keeps_mac and not port.keeps_ip and port.is_filtered


def test_a_nic_without_network_is_nobodys() -> None:
    machine = vm(template=template(NIC=[{"NIC_ID": "0", "BRIDGE": "br0"}]))
    assert ports_of(machine, {}.get) == []


def test_a_host_is_told_which_interfaces_it_has_nothing_to_do_for() -> None:
    assert document(network("bridge")).others == ("one-42-0",)
    assert document(network("fw")).others == ()


@pytest.mark.parametrize("said", ["on", "maybe", "1"])
def test_what_is_neither_yes_nor_no_takes_no_filter_away(said):
    """Networks of an older release may say so still."""
    (port,) = document(network("fw", FILTER_IP_SPOOFING=said, FILTER_MAC_SPOOFING=said)).ports
    assert (port.keeps_mac, port.keeps_ip) == (True, True)
