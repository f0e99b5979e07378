import pytest

from tests.core.network.builders import modern, network, ranged
from trifid.core.network.index_set import NOTHING_TAKEN
from trifid.core.network.nic import lease_nics
from trifid.core.template.model import template
from trifid.errors import BadTemplate, NoLease, NotAllocated


def index_set(indexes):
    found = NOTHING_TAKEN
    for index in indexes:
        found = found.added(index)
    return found


def leased(*nics, networks=(), taken=(), vm_id=12, uid=0):
    """Lease the NICs of a template with those networks, `taken` being (network id, range id, index)."""

    def network_of(nic):
        for net in networks:
            if nic.get("NETWORK_ID", str(net.id)) == str(net.id) and nic.get("NETWORK", net.name) == net.name:
                return net
        return None

    result, leases, moved = lease_nics(
        template(CPU="1", NIC=list(nics), MEMORY="64"),
        vm_id=vm_id,
        uid=uid,
        network_of=network_of,
        taken=lambda *range_key: index_set(index for *key, index in taken if tuple(key) == range_key),
        random_mac_suffix=lambda: 0x77000001,
    )
    return result.vectors("NIC"), leases, moved


def test_a_nic_gets_all_that_drivers_and_guests_need():
    (nic,), (lease,), _ = leased({"NETWORK": "private"}, networks=[ranged(GATEWAY="10.0.0.254", DNS="1.1.1.1")])
    assert nic == {
        "NETWORK": "private",
        "NETWORK_ID": "3",
        "IP": "10.0.0.1",
        "MAC": "00:16:0a:00:00:01",
        "BRIDGE": "br0",
        "BRIDGE_TYPE": "linux",
        "VN_MAD": "dummy",
        "AR_ID": "0",
        "TARGET": "one-12-0",
        "NAME": "NIC0",
        "NIC_ID": "0",
        "CLUSTER_ID": "0",
        "SECURITY_GROUPS": "0",
        "GATEWAY": "10.0.0.254",
        "DNS": "1.1.1.1",
        "NETWORK_ADDRESS": "10.0.0.0",
    }
    assert (lease.vm_id, lease.key) == (12, (3, 0, 0))


def test_the_keys_of_the_user_are_kept():
    (nic,), _, _ = leased(
        {"NETWORK": "private", "MODEL": "virtio", "TARGET": "tap7", "GATEWAY": "10.0.0.9", "NAME": "front"},
        networks=[ranged(GATEWAY="10.0.0.254")],
    )
    assert (nic["MODEL"], nic["TARGET"], nic["GATEWAY"], nic["NAME"]) == ("virtio", "tap7", "10.0.0.9", "front")


def test_the_link_is_what_the_network_says():
    net = network(VN_MAD="802.1Q", PHYDEV="eth0", VLAN_ID="50", AR={"TYPE": "ETHER", "SIZE": "2"})
    (nic,), _, _ = leased({"NETWORK_ID": "3", "BRIDGE": "mine", "VLAN_ID": "7", "VN_MAD": "dummy"}, networks=[net])
    assert (nic["BRIDGE"], nic["VLAN_ID"], nic["PHYDEV"], nic["VN_MAD"]) == ("br0", "50", "eth0", "802.1Q")
    assert "IP" not in nic


def test_attributes_of_the_range_come_before_those_of_the_network():
    net = network(GATEWAY="1.1.1.1", AR={"TYPE": "IP4", "IP": "10.0.0.5", "SIZE": "2", "GATEWAY": "10.0.0.1"})
    (nic,), _, _ = leased({"NETWORK": "private"}, networks=[net])
    assert nic["GATEWAY"] == "10.0.0.1"


def test_ipv6_addresses_are_filled_in():
    net = network(AR={"TYPE": "IP6", "SIZE": "2", "MAC": "02:00:0a:00:00:01", "GLOBAL_PREFIX": "2001:db8::"})
    (nic,), _, _ = leased({"NETWORK": "private"}, networks=[net])
    assert (nic["IP6_GLOBAL"], nic["IP6_LINK"]) == ("2001:db8::aff:fe00:1", "fe80::aff:fe00:1")


def test_nics_without_network_and_the_rest_of_the_template_are_left_as_they_are():
    plain = {"BRIDGE": "br7", "MAC": "02:00:00:00:00:01"}
    nics, leases, _ = leased(plain, {"NETWORK": "private"}, networks=[ranged()])
    assert nics[0] == plain
    assert nics[1]["NIC_ID"] == "1" and nics[1]["TARGET"] == "one-12-1"
    assert len(leases) == 1


def test_nics_on_one_network_get_different_addresses():
    nics, leases, (moved,) = leased(*[{"NETWORK": "private"}] * 3, networks=[modern()])
    assert [nic["IP"] for nic in nics] == ["10.0.0.10", "10.0.0.11", "10.0.0.12"]
    assert len({lease.key for lease in leases}) == 3
    assert moved.ranges[0].next_index == 3


def test_nics_of_one_call_count_towards_a_full_network():
    with pytest.raises(NoLease, match=r"NIC 2: network private \[3\] has no free address"):
        leased(*[{"NETWORK": "private"}] * 3, networks=[ranged(size="2")])


def test_an_address_asked_for_is_not_given_to_a_nic_before_it():
    nics, leases, _ = leased({"NETWORK": "private"}, {"NETWORK": "private", "IP": "10.0.0.1"}, networks=[ranged()])
    assert [nic["IP"] for nic in nics] == ["10.0.0.2", "10.0.0.1"]
    assert [lease.index for lease in leases] == [1, 0]


def test_the_same_address_asked_for_twice_is_refused():
    wish = {"NETWORK": "private", "IP": "10.0.0.1"}
    with pytest.raises(NoLease, match=r"NIC 1: .*10.0.0.1 is in use"):
        leased(wish, wish, networks=[ranged()])


def test_a_mac_asks_for_its_address():
    (nic,), _, moved = leased({"NETWORK": "private", "MAC": "00:16:0a:00:00:04"}, networks=[ranged()])
    assert nic["IP"] == "10.0.0.4"
    assert moved == []


def test_an_address_that_is_none_is_refused_with_its_nic():
    with pytest.raises(BadTemplate, match="NIC 1: IP must be an IPv4 address"):
        leased({"NETWORK": "private"}, {"NETWORK": "private", "IP": "ten"}, networks=[ranged()])


def test_leases_of_others_are_respected():
    (nic,), _, _ = leased({"NETWORK": "private"}, networks=[ranged()], taken={(3, 0, 0), (3, 0, 1)})
    assert nic["IP"] == "10.0.0.3"


def test_a_missing_network_is_refused_as_todays_clients_know_it():
    with pytest.raises(NotAllocated) as refusal:
        leased({"NETWORK": "nosuch"}, uid=4)
    assert refusal.value.message == (
        "User 4 does not own a network with name: nosuch . Set NETWORK_UNAME or NETWORK_UID of owner in NIC."
    )
    with pytest.raises(NotAllocated) as refusal:
        leased({"NETWORK_ID": "77777"})
    assert refusal.value.message == "Virtual network with ID: 77777 does not exist"


def test_a_nic_that_is_no_vector_is_refused():
    with pytest.raises(BadTemplate, match="NIC must be a vector"):
        leased("private")


def test_a_nic_is_as_fast_as_its_network_says():
    net = ranged(INBOUND_AVG_BW="100", OUTBOUND_PEAK_KB="7")
    (nic,), _, _ = leased({"NETWORK": "private", "INBOUND_AVG_BW": "900"}, networks=[net])
    assert (nic["INBOUND_AVG_BW"], nic["OUTBOUND_PEAK_KB"]) == ("100", "7")
