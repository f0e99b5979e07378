"""What is refused of a whole template, and what only administrators may set."""

import time

import pytest

from trifid.core.restricted_lists import OF_VM
from trifid.core.template.attributes import RESTRICTED
from trifid.core.template.model import template
from trifid.core.template.validate import REPEATED_MAX, check_name, file_paths, misspelt, validate
from trifid.errors import BadTemplate


def vm(**more):
    return template({"CPU": "1", "MEMORY": "64", **more})


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (template(MEMORY="64"), "CPU attribute must be a positive float or integer value."),
        (template(CPU="1"), "MEMORY attribute must be a positive integer value."),
        (vm(CPU=""), "CPU attribute must be a positive float or integer value."),
        (vm(CPU="0"), "CPU attribute must be a positive float or integer value."),
        (vm(CPU={"K": "1"}), "CPU attribute must be a positive float or integer value."),
        (vm(MEMORY="0.5"), "MEMORY attribute must be a positive integer value."),
        (vm(VCPU="-1"), "VCPU attribute must be a positive integer value."),
        (vm(NAME='"x'), "Invalid NAME, char '\"' is not allowed"),
        (vm(NAME="a,b<c>"), "Invalid NAME, char '<' is not allowed"),
        (vm(NAME="a\nb"), "Invalid NAME, char U+000A is not allowed"),
        (vm(NAME="n" * 129), "Invalid NAME, it is longer than 128 characters"),
        (vm(CPU=["1", "2"]), "CPU is given 2 times: give it once"),
        (vm(CONTEXT=[{}, {}]), "CONTEXT is given 2 times: join its variables in one vector"),
        (vm(NIC=[{}] * (REPEATED_MAX + 1)), "NIC is given 257 times: at most 256 are accepted"),
        (
            vm(DISK=[{"SIZE": "1"}, {"SIZE": "big\n"}]),
            'DISK 1: SIZE must be a positive number of MiB, without a unit, is "big?"',
        ),
        (vm(DISK="sda"), 'DISK must be a vector, DISK = [ KEY = value ], is "sda"'),
        (vm(NIC={"IP": "x" * 100}), 'NIC 0: IP must be an IPv4 address, is "' + "x" * 60 + '…"'),
        (vm(CONTEXT={"A-B": "1"}), "CONTEXT: A-B cannot name a shell variable, use letters, digits and _"),
        (vm(CONTEXT={"FILES": "not/absolute"}), "CONTEXT: FILES must be paths with one blank between: "),
        (vm(RANK="A -1"), 'RANK: rank column 3: expected an operator, found the number "-1": put a blank between'),
        (vm(REQUIREMENTS="A = 1\n"), "REQUIREMENTS: requirement column 6: a line cannot end inside a classic"),
    ],
)
def test_a_wrong_template_is_refused(one, message):
    with pytest.raises(BadTemplate) as refusal:
        validate(one)
    assert refusal.value.message.startswith(message)
    assert "\n" not in refusal.value.message


MEMORY = "MEMORY attribute must be a positive integer value. It "
MIB = ": expected a whole number of MiB from 1 to 2147483648, without a unit"
CPU = "CPU attribute must be a positive float or integer value. It "
CORES = ": expected a positive number of cores up to 65536"


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (vm(MEMORY="512M"), f'{MEMORY}is "512M"{MIB}'),
        (vm(MEMORY="64.5"), f'{MEMORY}is "64.5"{MIB}'),
        (vm(MEMORY="9" * 20), f'{MEMORY}is "{"9" * 20}"{MIB}'),
        (vm(MEMORY={"K": "1"}), f"{MEMORY}is a vector{MIB}"),
        (template(CPU="1"), f"{MEMORY}is missing{MIB}"),
        (template(CPU="1", MEMROY="64"), f"{MEMORY}is missing{MIB}; MEMROY is not known here, did you mean MEMORY?"),
        (vm(CPU="100000"), f'{CPU}is "100000"{CORES}'),
        (template(MEMORY="64"), f"{CPU}is missing{CORES}"),
        (vm(VCPU="0.5"), 'VCPU attribute must be a positive integer value. It is "0.5": expected a positive whole num'),
    ],
)
def test_a_refusal_of_capacity_begins_as_clients_know_it_and_tells_the_value_and_what_is_taken(one, message):
    with pytest.raises(BadTemplate) as refusal:
        validate(one)
    assert refusal.value.message.startswith(message)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (vm(DISK={"TARGET": "zzz"}), "DISK 0: TARGET must be a device name like vda, xvda, sda, hda or fda, is"),
        (vm(DISK={"FORMAT": "foofs"}), "DISK 0: FORMAT must be one of raw, qcow2, none, ext2, ext3, ext4, vfat, xfs"),
        (vm(DISK={"FS": "qcow2"}), "DISK 0: FS must be one of ext2, "),
        (vm(DISK={"DRIVER": "vmdk"}), "DISK 0: DRIVER must be one of raw, qcow2, is"),
        (vm(DISK={"DEV_PREFIX": "zz"}), "DISK 0: DEV_PREFIX must be the first letters of a device name, one of vd, "),
        (vm(OS={"ARCH": "sparc"}), "OS: ARCH must be one of x86_64, i686, "),
        (vm(OS={"BOOT": "hd,nic0"}), "OS: BOOT must be either of hd,cdrom,network,fd or devices like disk0,nic0, is"),
        (vm(OS={"UUID": "mine"}), "OS: UUID must be a UUID like "),
        (vm(OS={"FIRMWARE": "uefy"}), "OS: FIRMWARE must be BIOS, UEFI or the path of a firmware, is"),
    ],
)
def test_what_no_driver_can_carry_out_is_refused_before_there_is_a_vm(one, message):
    with pytest.raises(BadTemplate) as refusal:
        validate(one)
    assert refusal.value.message.startswith(message)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (["SORCE"], "; SORCE is not known here, did you mean SOURCE?"),
        (["MINE", "SRC"], "; SRC is not known here, did you mean SOURCE?"),
        (["MINE"], ""),
        (["SOURCE", "SORCE"], ""),
        ([], ""),
    ],
)
def test_a_name_that_looks_like_a_missing_one_is_pointed_at(given, hint):
    assert misspelt(given, ["SOURCE", "TYPE", "SIZE"]) == hint


def test_looking_for_misspelt_names_takes_no_time_however_many_there_are():
    began = time.process_time()
    misspelt([f"{'N' * 5000}{number}" for number in range(5000)], [f"NAME{number}" for number in range(60)])
    assert time.process_time() - began < 0.5


def test_a_context_may_name_files_by_reference_until_it_is_substituted():
    validate(vm(CONTEXT={"FILES": "$MY_FILES /a/b"}))


def test_an_empty_name_is_no_name():
    check_name("")
    validate(vm(NAME=" "))


def test_what_is_restricted_is_told_by_its_path():
    one = vm(
        NIC=[{"NETWORK": "lan"}, {"MAC": "02:00:00:00:00:01", "BRIDGE": "br0"}],
        OS={"BOOTLOADER": "/x", "KERNEL": "/k"},
        RAW={"TYPE": "kvm", "DATA": "<x/>"},
        EMULATOR="/bin/qemu",
        PCI={},
        CONTEXT={"FILES": "/etc/shadow", "A": "1"},
        USER_PRIORITY="9",
    )
    assert set(OF_VM.found(one)) == {
        *("NIC/MAC", "NIC/BRIDGE", "OS/BOOTLOADER", "RAW/DATA"),
        *("EMULATOR", "PCI", "CONTEXT/FILES", "USER_PRIORITY"),
    }
    assert OF_VM.found(vm(NIC={"NETWORK": "lan", "IP": "10.0.0.1"})) == []


def test_what_the_hypervisor_runs_or_reads_as_root_is_restricted():
    assert {"MAC", "VLAN_ID", "BRIDGE", "SCRIPT", "TARGET"} <= RESTRICTED["NIC"]
    assert "BOOTLOADER" in RESTRICTED["OS"] and "FILES" in RESTRICTED["CONTEXT"] and "DATA" in RESTRICTED["RAW"]


def test_every_path_that_a_template_names_is_found():
    one = vm(
        DISK=[{"SOURCE": "/images/a"}, {"TYPE": "swap", "SIZE": "1"}],
        OS={"KERNEL": "/vmlinuz", "INITRD": "/initrd.img"},
        CONTEXT={"FILES": "/a /b"},
        NIC={"SCRIPT": "/etc/vif"},
        EMULATOR="/bin/qemu",
    )
    assert set(file_paths(one)) == {
        ("DISK/SOURCE", "/images/a"),
        ("OS/KERNEL", "/vmlinuz"),
        ("OS/INITRD", "/initrd.img"),
        ("CONTEXT/FILES", "/a"),
        ("CONTEXT/FILES", "/b"),
        ("NIC/SCRIPT", "/etc/vif"),
        ("EMULATOR", "/bin/qemu"),
    }
