"""What is refused of a whole template, and what only administrators may set."""

import pytest

from trifid.core.template.attributes import RESTRICTED
from trifid.core.template.model import template
from trifid.core.template.validate import REPEATED_MAX, check_name, file_paths, restricted, validate
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
        (vm(DISK=[{"SIZE": "1"}, {"SIZE": "big\n"}]), 'DISK 1: SIZE must be a positive number of MiB, is "big?"'),
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
    assert set(restricted(one)) == {
        *("NIC/MAC", "NIC/BRIDGE", "OS/BOOTLOADER", "RAW/DATA"),
        *("EMULATOR", "PCI", "CONTEXT/FILES", "USER_PRIORITY"),
    }
    assert restricted(vm(NIC={"NETWORK": "lan", "IP": "10.0.0.1"})) == []


def test_what_the_hypervisor_runs_or_reads_as_root_is_restricted():
    assert {"MAC", "VLAN_ID", "BRIDGE", "SCRIPT"} <= RESTRICTED["NIC"]
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
