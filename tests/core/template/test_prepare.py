"""From what a user wrote to what the engine acts upon."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.template.test_scanner import VM_EXAMPLE
from trifid.core.template.model import template
from trifid.core.template.prepare import needs_of, prepare
from trifid.core.template.scanner import parse
from trifid.core.vm.record import Needs
from trifid.errors import BadTemplate


def vm(**more):
    return template({"CPU": "1", "MEMORY": "64", **more})


def disk(**keys):
    return {"SOURCE": "/images/a", **keys}


def targets(*disks, **more):
    done = prepare(vm(DISK=list(disks), **more)).template
    return [one["TARGET"] for one in [*done.vectors("DISK"), *done.vectors("CONTEXT")]]


def test_the_vm_of_the_2009_slides():
    done = prepare(parse(VM_EXAMPLE))
    assert done.name == "vm-example"
    assert done.needs == Needs(cpu_percent=100, memory_mib=512)
    assert done.template == template(
        CPU="1",
        MEMORY="512",
        OS={"KERNEL": "/vmlinuz", "INITRD": "/initrd.img", "ROOT": "sda"},
        DISK=[
            {
                "SOURCE": "/images/etch/disk.img",
                "TARGET": "sda",
                "DISK_ID": "0",
                "TYPE": "DISK",
                "READONLY": "NO",
                "CLONE": "YES",
                "SAVE": "NO",
            },
            {
                "TYPE": "SWAP",
                "SIZE": "1024",
                "TARGET": "sdb",
                "DISK_ID": "1",
                "READONLY": "NO",
                "CLONE": "YES",
                "SAVE": "NO",
            },
        ],
        NIC={"NETWORK": "public", "NIC_ID": "0"},
    )
    assert len(done.user_template) == 0


def test_what_the_engine_does_not_know_and_what_places_a_vm_go_to_the_user_template():
    done = prepare(vm(MY_OWN="1", RANK="FREE_CPU", REQUIREMENTS="A = 1", VCPU="2", VMID="7", ERROR="x"))
    assert done.user_template == template(MY_OWN="1", RANK="FREE_CPU", REQUIREMENTS="A = 1")
    assert done.template == vm(VCPU="2")


@pytest.mark.parametrize(
    ("cpu", "percent"),
    [("1", 100), ("0.5", 50), (".1", 10), ("2.", 200), ("0.29", 29), ("0.005", 1), ("0.015", 2), ("0.001", 1)],
)
def test_cpu_becomes_hundredths_of_a_core_rounded_and_at_least_one(cpu, percent):
    assert needs_of(vm(CPU=cpu, MEMORY="3")) == Needs(cpu_percent=percent, memory_mib=3)


def test_yes_and_no_and_types_are_written_in_upper_case_and_numbered_in_order():
    done = prepare(vm(DISK=[disk(CLONE="no", SAVE="yes", READONLY="Yes", TYPE="file"), disk(TYPE="cdrom")]))
    first, second = done.template.vectors("DISK")
    assert (first["CLONE"], first["SAVE"], first["READONLY"], first["TYPE"]) == ("NO", "YES", "YES", "DISK")
    assert (second["DISK_ID"], second["READONLY"], second["TYPE"]) == ("1", "YES", "CDROM")


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (
            {"SIZE": "1"},
            "DISK 0: Unknown disk type : name an IMAGE or a file with SOURCE, or make one with TYPE swap or fs",
        ),
        ({"TYPE": "swap"}, "DISK 0: SIZE attribute must be a positive integer value."),
        ({"TYPE": "fs"}, "DISK 0: SIZE attribute must be a positive integer value."),
        ({"TYPE": "disk"}, "DISK 0: SOURCE is missing, TYPE DISK needs the path of an image"),
        ({"TYPE": "swap", "SIZE": "1", "SOURCE": "/a"}, "DISK 0: TYPE SWAP is made on the host and takes no SOURCE"),
        ({"IMAGE": "nosuch"}, "DISK 0: there are no images here: name a file with SOURCE"),
        (
            {"SORCE": "/x"},
            "DISK 0: Unknown disk type : name an IMAGE or a file with SOURCE, or make one with TYPE swap or fs; "
            "SORCE is not known here, did you mean SOURCE?",
        ),
    ],
)
def test_a_disk_without_contents_is_refused(one, message):
    with pytest.raises(BadTemplate) as refusal:
        prepare(vm(DISK=one))
    assert refusal.value.message.startswith(message)


@pytest.mark.parametrize("asked", [{"TYPE": "fs", "FORMAT": "qcow2"}, {"TYPE": "swap", "DRIVER": "QCOW2"}])
def test_a_disk_that_is_made_is_raw_whatever_clients_ask(asked):
    (made,) = prepare(vm(DISK={"SIZE": "1", **asked})).template.vectors("DISK")
    assert (made["DRIVER"], made.get("FORMAT")) == ("raw", asked.get("FORMAT"))


NOTHING = "NIC 1: it is connected to nothing: name a NETWORK, or as an administrator a BRIDGE of the hosts"


@pytest.mark.parametrize(
    ("one", "message"),
    [
        ({}, NOTHING),
        ({"IP": "10.0.0.77"}, NOTHING),
        ({"NETWORK": "", "BRIDGE": ""}, NOTHING),
        ({"NETWROK": "lan"}, f"{NOTHING}; NETWROK is not known here, did you mean NETWORK?"),
    ],
)
def test_a_nic_that_is_connected_to_nothing_is_refused(one, message):
    with pytest.raises(BadTemplate) as refusal:
        prepare(vm(NIC=[{"NETWORK": "lan"}, one]))
    assert refusal.value.message == message


@pytest.mark.parametrize("key", ["NETWORK", "NETWORK_ID", "BRIDGE", "SCRIPT"])
def test_a_nic_is_connected_by_a_network_a_bridge_or_a_script(key):
    value = {"NETWORK_ID": "0", "SCRIPT": "/etc/ifup"}.get(key, "lan")
    assert prepare(vm(NIC={key: value})).template.vector("NIC") == {key: value, "NIC_ID": "0"}


def test_targets_are_given_to_the_system_disk_the_context_cdroms_and_the_others_in_this_order():
    swap = {"TYPE": "swap", "SIZE": "1"}
    assert targets(swap, disk(TYPE="cdrom"), disk(), disk(), CONTEXT={"A": "1"}) == ["sdb", "hdb", "sda", "sdc", "hda"]


def test_a_target_that_the_user_chose_is_kept_and_not_given_again():
    assert targets(disk(), disk(TARGET="sda"), disk(TARGET="sdc"), disk()) == ["sdb", "sda", "sdc", "sdd"]


def test_bus_and_prefix_choose_the_name():
    assert targets(disk(BUS="virtio"), disk(DEV_PREFIX="xvd"), disk(BUS="ide"), disk(TYPE="floppy")) == [
        *("vda", "xvda", "hda", "fda")
    ]


def test_a_target_taken_twice_is_refused():
    with pytest.raises(BadTemplate, match="DISK 1: TARGET sda is already taken by DISK 0, choose another"):
        targets(disk(TARGET="sda"), disk(TARGET="sda"))
    with pytest.raises(BadTemplate, match="CONTEXT: TARGET sda is already taken by DISK 0, choose another"):
        targets(disk(TARGET="sda"), CONTEXT={"TARGET": "sda"})


def test_the_context_is_a_disk_after_all_others():
    context = prepare(vm(DISK=[disk(), disk()], CONTEXT={"A": "1"})).template.vector("CONTEXT")
    assert context == {"A": "1", "DISK_ID": "2", "TARGET": "hda"}


def test_an_empty_context_is_none():
    assert "CONTEXT" not in prepare(vm(CONTEXT={})).template


@given(st.integers(27, 60))
def test_there_is_a_target_for_every_disk(count):
    names = targets(*[disk() for _ in range(count)])
    assert len(set(names)) == count and names[25:28] == ["sdz", "sdaa", *(["sdab"] if count > 27 else [])]


def test_a_name_is_kept_without_blanks_around():
    assert prepare(vm(NAME="  web 1 ")).name == "web 1"
    assert prepare(vm()).name == ""


def test_a_context_for_cloud_init_gets_a_cd_more_and_no_other_device_another_name():
    disks = [{"SOURCE": "/a"}, {"SOURCE": "/b", "TYPE": "cdrom"}]
    with_seed = prepare(template({"CPU": "1", "MEMORY": "64"}, DISK=disks, CONTEXT={"NETWORK": "YES"})).template
    without = prepare(template({"CPU": "1", "MEMORY": "64"}, DISK=disks, CONTEXT={"A": "1"})).template
    assert with_seed.vectors("DISK") == without.vectors("DISK")
    assert with_seed.vector("CONTEXT")["TARGET"] == without.vector("CONTEXT")["TARGET"] == "hda"
    assert with_seed.vector("CONTEXT")["CIDATA_TARGET"] == "hdc"
    assert "CIDATA_TARGET" not in without.vector("CONTEXT")
    refused = template({"CPU": "1", "MEMORY": "64"}, CONTEXT={"CIDATA_TARGET": "hdb"})
    assert "CIDATA_TARGET" not in prepare(refused).template.vector("CONTEXT"), "the engine chooses it"
