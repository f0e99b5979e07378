"""Names or ids anywhere: which object is meant, and what is said when it is none or more than one."""

import json

import pytest

from tests.cli.fake_engine import image_xml, network_xml, vm_xml


@pytest.fixture
def vms(fake):
    fake.vms = {
        3: vm_xml(3, "web"),
        4: vm_xml(4, "web", user=None, uid=5),
        5: vm_xml(5, "db"),
        6: vm_xml(6, "7"),
        8: vm_xml(8, "a,b"),
        9: vm_xml(9, "x[1]"),
    }
    fake.vms[4] = vm_xml(4, "web").replace("<UNAME>oneadmin</UNAME>", "<UNAME>alice</UNAME>")
    fake.answers("one.vm.action", 0)
    return fake


def meant(fake, type_in, words):
    result = type_in("onevm", "hold", words)
    return [vm_id for _, vm_id in fake.called("one.vm.action")], result


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("db", [5]),
        ("5", [5]),
        ("db,5", [5]),
        ("1,3..5,db", [1, 3, 4, 5]),
        ("alice[web]", [4]),
        ("oneadmin[web],db", [3, 5]),
        ("7", [7]),
        ("[7]", [6]),
        ("oneadmin[7]", [6]),
        ("[a,b]", [8]),
        ("x[1]", [9]),
    ],
)
def test_which_objects_are_meant(vms, type_in, words, ids):
    assert meant(vms, type_in, words)[0] == ids


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("web", 'There are multiple VM\'s with name web.\n  use an id, or "OWNER[NAME]": 3 of oneadmin, 4 of alice'),
        ("[web]", 'use an id, or "OWNER[NAME]"'),
        ("we", "VM named we not found.\n  did you mean web?"),
        ("dbb", "did you mean db?"),
        ("bob[web]", "bob has no VM named web\n  there is 3 of oneadmin, 4 of alice"),
        ("bob[nothing]", "VM named nothing not found."),
        ("5..3", "is not a range"),
        ("3,,4", "is not a list of VMs"),
    ],
)
def test_what_is_said_when_it_is_none_or_several(vms, type_in, words, said):
    ids, result = meant(vms, type_in, words)
    assert ids == []
    assert result.exit_code == 255
    assert said in result.stderr


def test_two_of_one_owner_are_told_apart_by_their_ids_only(vms, type_in):
    vms.vms[10] = vm_xml(10, "db")
    assert "use an id: 5, 10" in meant(vms, type_in, "db")[1].stderr


def test_names_are_asked_for_once(vms, type_in):
    meant(vms, type_in, "db,oneadmin[web],alice[web]")
    assert len(vms.called("one.vmpool.info")) == 1


def test_ids_need_no_look_at_the_pool(vms, type_in):
    meant(vms, type_in, "3,5..6")
    assert not vms.called("one.vmpool.info")


def test_a_name_that_is_not_found_is_told_as_data(vms, type_in):
    error = json.loads(type_in("onevm", "hold", "dbb", "-j").stderr)
    assert error["error"] == "VM named dbb not found."
    assert error["next"].startswith("did you mean db?")


@pytest.mark.parametrize(
    ("words", "vector"),
    [
        (["nic-attach", "0", "--network", "private"], 'NIC = [ NETWORK_ID = "3" ]'),
        (["nic-attach", "0", "--network", "alice[lan]"], 'NIC = [ NETWORK_ID = "5" ]'),
        (["nic-attach", "0", "--network", "lan"], 'NIC = [ NETWORK = "lan" ]'),
        (["disk-attach", "0", "--image", "debian"], 'DISK = [ IMAGE_ID = "7" ]'),
    ],
)
def test_a_network_or_image_of_another_user_is_attached_by_its_name(fake, type_in, words, vector):
    """One that several users have is left to the engine, which looks among the caller's own."""
    of_alice = network_xml(5, "lan").replace("<UNAME>oneadmin</UNAME>", "<UNAME>alice</UNAME>")
    fake.networks = {3: network_xml(3, "private"), 4: network_xml(4, "lan"), 5: of_alice}
    fake.images = {7: image_xml(7, "debian")}
    for method in ("one.vm.attach", "one.vm.attachnic"):
        fake.answers(method, 0)
    assert type_in("onevm", *words).exit_code == 0
    (call,) = fake.called("one.vm.attach") + fake.called("one.vm.attachnic")
    assert call == [0, vector]
