"""NICs whose network is chosen when the VM is placed: which they are, what they may say, how a choice is written."""

import pytest

from trifid.core.network.auto import choice_text, is_undecided, read_choice, undecided
from trifid.core.template.model import template
from trifid.core.template.prepare import one_more_nic, prepare
from trifid.core.template.scanner import parse
from trifid.errors import BadTemplate

AUTO = {"NETWORK_MODE": "auto"}


def nics(*vectors):
    return prepare(template(CPU="1", MEMORY="1", NIC=list(vectors))).template.vectors("NIC")


def test_a_nic_may_leave_its_network_open_and_say_what_it_must_be():
    wishes = {"SCHED_REQUIREMENTS": 'TRAFFIC = "public"', "SCHED_RANK": "- USED_LEASES", "MODEL": "virtio"}
    assert nics({"NETWORK": "lan"}, {"NETWORK_MODE": "AUTO", **wishes})[1] == {
        "NETWORK_MODE": "AUTO",
        **wishes,
        "NIC_ID": "1",
    }


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"NETWORK": "lan"}, "NIC 1: NETWORK_MODE=auto lets the network be chosen, and NETWORK says where it is"),
        ({"NETWORK_ID": "3"}, "and NETWORK_ID says where it is"),
        ({"NETWORK_UNAME": "alice"}, "and NETWORK_UNAME says where it is"),
        ({"BRIDGE": "br0"}, "and BRIDGE says where it is"),
        ({"IP": "10.0.0.1"}, "and IP says where it is"),
        ({"IP6": "fd00::1"}, "and IP6 says where it is"),
        ({"MAC": "02:00:00:00:00:01"}, "and MAC says where it is"),
        ({"SCHED_REQUIREMENTS": "A = "}, "NIC 1: SCHED_REQUIREMENTS: "),
        ({"SCHED_RANK": "A -1"}, "NIC 1: SCHED_RANK: "),
    ],
)
def test_what_cannot_stand_beside_an_open_network_is_refused(more, said):
    with pytest.raises(BadTemplate) as refusal:
        nics({"NETWORK": "lan"}, AUTO | more)
    assert said in refusal.value.message
    with pytest.raises(BadTemplate):
        one_more_nic(AUTO | more, template(NIC={"NIC_ID": "0", "NETWORK_ID": "4"}))


@pytest.mark.parametrize(
    ("nic", "expected"),
    [(AUTO, True), ({"NETWORK_MODE": "Auto"}, True), (AUTO | {"NETWORK_ID": "3"}, False), ({"BRIDGE": "br0"}, False)],
)
def test_a_nic_is_undecided_until_it_has_a_network(nic, expected):
    assert is_undecided(nic) is expected
    assert undecided(template(NIC=nic)) == ([nic] if expected else [])


def test_a_choice_is_read_as_it_is_written():
    choice = ((0, 3), (2, 5))
    assert read_choice(parse(choice_text(choice))) == dict(choice)
    assert choice_text(()) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CPU = 2", "deploy takes no template but NIC = .*, found CPU"),
        ('NIC = "3"', "found NIC"),
        ("NIC = [ NIC_ID = 0, NETWORK_ID = 3, IP = 10.0.0.1 ]", "expected NIC_ID, NETWORK_ID, NETWORK_MODE, found IP"),
        ("NIC = [ NETWORK_ID = 3 ]", 'NIC_ID must be a number, is ""'),
        ("NIC = [ NIC_ID = 0, NETWORK_ID = lan ]", 'NETWORK_ID must be a number, is "lan"'),
        ("NIC = [ NIC_ID = 0, NETWORK_ID = 99999999999999999999 ]", "NETWORK_ID must be a number"),
        ("NIC = [ NIC_ID = 0, NETWORK_ID = 3 ] NIC = [ NIC_ID = 0, NETWORK_ID = 4 ]", "NIC 0 is given twice"),
    ],
)
def test_what_is_no_choice_is_refused(text, said):
    with pytest.raises(BadTemplate, match=said):
        read_choice(parse(text))
