"""Transfer scripts, to the letter."""

import pytest
from msgspec.structs import replace

from tests.core.vm.builders import stay, vm
from trifid.core.template.model import Template, template
from trifid.core.template.prepare import prepare
from trifid.core.vm.record import VM
from trifid.core.vm.transfer import transfer_lines

DISK = {"SOURCE": "/images/etch.img"}


def lines(machine: VM, operation: str) -> list[str]:
    return transfer_lines(
        machine, operation, tm="shared", frontend="front", datastores="/srv/ds", vm_files="/srv/vms/42"
    )


def prepared(**more: object) -> Template:
    return prepare(template(CPU="1", MEMORY="64", **more)).template


def prolog(*disks: dict[str, str], **more: object) -> list[str]:
    return lines(vm(template=prepared(DISK=list(disks), **more)), "prolog")


def test_a_disk_is_cloned_from_the_front_end() -> None:
    assert prolog(DISK) == ["CLONE shared front:/images/etch.img host3:/srv/ds/0/42/disk.0 42 0"]


def test_a_disk_that_is_not_cloned_is_linked() -> None:
    assert prolog({**DISK, "CLONE": "no"}) == ["LN shared front:/images/etch.img host3:/srv/ds/0/42/disk.0 42 0"]


@pytest.mark.parametrize("source", ["https://example.org/etch.img", "store:/images/etch.img"])
def test_a_source_that_names_its_machine_is_kept(source: str) -> None:
    assert prolog({"SOURCE": source}) == [f"CLONE shared {source} host3:/srv/ds/0/42/disk.0 42 0"]


@pytest.mark.parametrize("kind", ["DISK", "FILE", "CDROM", "FLOPPY", "BLOCK"])
def test_every_type_with_contents_is_cloned(kind: str) -> None:
    assert prolog({**DISK, "TYPE": kind})[0].startswith("CLONE shared front:/images/etch.img ")


def test_swap_is_made_in_mib() -> None:
    assert prolog({"TYPE": "swap", "SIZE": "512"}) == ["MKSWAP shared 512 host3:/srv/ds/0/42/disk.0 42 0"]


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ({"FORMAT": "ext3"}, "ext3"),
        ({"FORMAT": "raw", "FS": "ext4"}, "ext4"),
        ({"FS": "XFS"}, "xfs"),
        ({"FORMAT": "RAW"}, "raw"),
        ({}, "raw"),
    ],
)
def test_a_new_file_system_is_made_as_either_generation_of_templates_says(asked: dict[str, str], made: str) -> None:
    assert prolog({"TYPE": "fs", "SIZE": "10", **asked}) == [f"MKIMAGE shared 10 {made} host3:/srv/ds/0/42/disk.0 42 0"]


def test_the_context_comes_last_with_its_files() -> None:
    assert prolog(DISK, DISK, CONTEXT={"A": "1", "FILES": "/etc/motd https://example.org/init.sh"})[2:] == [
        "CONTEXT shared /srv/vms/42/context.sh /etc/motd https://example.org/init.sh host3:/srv/ds/0/42/disk.2 42 0"
    ]


def test_a_vm_without_disks_needs_nothing_brought() -> None:
    assert prolog() == []


def test_the_epilog_brings_saved_disks_back_before_it_deletes() -> None:
    machine = vm(template=prepared(DISK=[DISK, {**DISK, "SAVE": "yes"}]))
    assert lines(machine, "epilog") == [
        "MV shared host3:/srv/ds/0/42/disk.1 front:/srv/vms/42/disk.1 42 0",
        "DELETE shared host3:/srv/ds/0/42 42 0",
    ]


def test_a_migration_moves_each_disk_and_then_the_directory() -> None:
    history = (stay(0, host_id=3), replace(stay(1, host_id=4), datastore_id=100))
    machine = vm(template=prepared(DISK=[DISK], CONTEXT={"A": "1"}), history=history)
    assert lines(machine, "migrate") == [
        "MV shared host3:/srv/ds/0/42/disk.0 host4:/srv/ds/100/42/disk.0 42 100",
        "MV shared host3:/srv/ds/0/42/disk.1 host4:/srv/ds/100/42/disk.1 42 100",
        "MV shared host3:/srv/ds/0/42 host4:/srv/ds/100/42 42 100",
    ]


def test_delete_removes_the_directory_of_the_newest_stay() -> None:
    assert lines(vm(stays=2), "delete") == ["DELETE shared host4:/srv/ds/0/42 42 0"]


def test_there_is_no_other_operation() -> None:
    with pytest.raises(KeyError):
        lines(vm(), "teleport")
