"""Transfer scripts, to the letter."""

import pytest
from msgspec.structs import replace

from tests.core.vm.builders import stay, vm
from trifid.core.template.model import Template, template
from trifid.core.template.prepare import prepare
from trifid.core.vm.record import VM, DiskSnapshot, DiskSnapshots
from trifid.core.vm.states import VmState
from trifid.core.vm.table import ROWS
from trifid.core.vm.transfer import head_lines, transfer_lines

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
        ({"FORMAT": "qcow2"}, "raw"),
        ({"FORMAT": "qcow2", "FS": "ext4"}, "ext4"),
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


# -- from place to place -------------------------------------------------------------------------------

TWO_PLACES = (stay(0, host_id=3), replace(stay(1, host_id=4), datastore_id=100))


def test_a_migration_copies_and_the_source_is_cleaned_later() -> None:
    machine = vm(template=prepared(DISK=[DISK], CONTEXT={"A": "1"}), history=TWO_PLACES)
    assert lines(machine, "migrate") == ["CP shared host3:/srv/ds/0/42 host4:/srv/ds/100/42 42 100"]
    assert lines(machine, "clean_source") == ["CLEAN shared host3:/srv/ds/0/42 host4:/srv/ds/100/42 42 100"]


def test_a_stopped_vm_leaves_its_host_and_comes_to_the_next() -> None:
    away, back = "host3:/srv/ds/0/42 front:/srv/vms/42/images", "front:/srv/vms/42/images host4:/srv/ds/0/42"
    assert lines(vm(), "stop") == [f"MV shared {away} 42 0"]
    assert lines(vm(VmState.PROLOG_RESUME, stays=2), "resume") == [f"MV shared {back} 42 0"]


def test_what_waited_in_another_datastore_comes_from_there() -> None:
    assert lines(vm(VmState.PROLOG_RESUME, history=TWO_PLACES), "resume") == [
        "MV shared front:/srv/vms/42/images host4:/srv/ds/100/42 42 100",
        "MV shared host3:/srv/ds/0/42 host4:/srv/ds/100/42 42 100",
    ]


def test_an_undeployed_vm_gets_its_context_anew_and_a_stopped_one_goes_on_with_the_old() -> None:
    told = prepared(DISK=[DISK], CONTEXT={"A": "1"})
    context = "CONTEXT shared /srv/vms/42/context.sh host4:/srv/ds/0/42/disk.1 42 0"
    assert context in lines(vm(VmState.PROLOG_UNDEPLOY, stays=2, template=told), "resume")
    assert context not in lines(vm(VmState.PROLOG_RESUME, stays=2, template=told), "resume")


# -- the end -------------------------------------------------------------------------------------------


def test_delete_removes_the_directory_of_the_newest_stay_and_tidies_older_ones() -> None:
    assert lines(vm(stays=2), "delete") == [
        "DELETE shared host4:/srv/ds/0/42 42 0",
        "TIDY shared host3:/srv/ds/0/42 42 0",
    ]


def test_delete_on_both_hosts_begins_with_the_newest() -> None:
    assert lines(vm(stays=3), "delete_both") == [
        "DELETE shared host5:/srv/ds/0/42 42 0",
        "DELETE shared host4:/srv/ds/0/42 42 0",
        "TIDY shared host3:/srv/ds/0/42 42 0",
    ]
    assert lines(vm(stays=1), "delete_both") == ["DELETE shared host3:/srv/ds/0/42 42 0"]


def test_two_stays_in_one_place_are_deleted_once() -> None:
    assert lines(vm(history=(stay(0), stay(1))), "delete_both") == ["DELETE shared host3:/srv/ds/0/42 42 0"]


@pytest.mark.parametrize("operation", ["delete", "delete_both", "epilog", "delete_stopped"])
def test_whatever_was_left_in_another_datastore_goes_in_the_end(operation: str) -> None:
    history = (*TWO_PLACES, stay(2, host_id=5), stay(3, host_id=5))
    assert "TIDY shared host4:/srv/ds/100/42 42 100" in lines(vm(history=history), operation)


def test_a_vm_that_is_away_is_deleted_on_the_front_end_too() -> None:
    assert lines(vm(), "delete_stopped") == [
        "DELETE shared host3:/srv/ds/0/42 42 0",
        "DELETE shared front:/srv/vms/42/images 42 0",
    ]


# -- one disk ------------------------------------------------------------------------------------------


def with_disks(*disks: dict[str, str], **more: object) -> VM:
    """A VM with these disks, marks and all."""
    template = prepared(DISK=[DISK] * len(disks), CONTEXT={"A": "1"})
    filled = [{**of, **disk} for of, disk in zip(template.vectors("DISK"), disks, strict=True)]
    return vm(template=template.replacing("DISK", *filled), **more)


def test_a_disk_that_comes_takes_the_place_of_what_an_earlier_one_left() -> None:
    machine = with_disks({}, {"ATTACH": "YES", "DISK_ID": "7"})
    assert lines(machine, "attach") == [
        "DELETE shared host3:/srv/ds/0/42/disk.7 42 0",
        "CLONE shared front:/images/etch.img host3:/srv/ds/0/42/disk.7 42 0",
    ]
    made = with_disks({}, {"ATTACH": "YES", "DISK_ID": "7", "TYPE": "FS", "SIZE": "10"})
    assert lines(made, "attach")[1] == "MKIMAGE shared 10 raw host3:/srv/ds/0/42/disk.7 42 0"


@pytest.mark.parametrize("taken", ["0", "2"], ids=["by a disk", "by the context"])
def test_a_disk_whose_number_is_taken_is_never_made(taken: str) -> None:
    with pytest.raises(AssertionError, match=f"vm 42 has two disks {taken}"):
        lines(with_disks({}, {"ATTACH": "YES", "DISK_ID": taken}), "attach")


def test_a_disk_that_goes_is_deleted_or_saved_first() -> None:
    gone = "DELETE shared host3:/srv/ds/0/42/disk.1 42 0"
    assert lines(with_disks({}, {"ATTACH": "YES"}), "detach") == [gone]
    assert lines(with_disks({"SAVE": "YES"}, {"ATTACH": "YES", "SAVE": "YES"}), "detach") == [
        "MV shared host3:/srv/ds/0/42/disk.1 front:/srv/vms/42/disk.1 42 0",
        gone,
    ]


def test_a_disk_that_could_not_be_attached_is_not_saved() -> None:
    assert lines(with_disks({}, {"ATTACH": "YES", "SAVE": "YES"}), "drop") == [
        "DELETE shared host3:/srv/ds/0/42/disk.1 42 0"
    ]


def test_the_disk_that_is_marked_grows() -> None:
    machine = with_disks({}, {"RESIZE": "YES", "SIZE": "2048", "SIZE_PREV": "1024"})
    assert lines(machine, "resize") == ["RESIZE shared host3:/srv/ds/0/42/disk.1 2048 42 0"]


@pytest.mark.parametrize("word", ["create", "revert", "delete"])
def test_the_snapshot_that_is_pending_is_worked_on(word: str) -> None:
    kept = (DiskSnapshot(3, "a", 100, 1024), DiskSnapshot(4, "b", 100, 1024, pending=word))
    machine = with_disks({}, {}, disk_snapshots=(DiskSnapshots(0), DiskSnapshots(1, next_id=5, snapshots=kept)))
    assert lines(machine, f"snap_{word}") == [f"SNAP_{word.upper()} shared host3:/srv/ds/0/42/disk.1 4 42 0"]


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (VmState.HOTPLUG_SAVEAS_FILES, "disk.0.copy"),
        (VmState.HOTPLUG_SAVEAS_POWEROFF, "disk.0"),
        (VmState.HOTPLUG_SAVEAS_SUSPENDED, "disk.0"),
    ],
)
def test_only_of_a_running_vm_the_copy_that_its_hypervisor_made_is_saved(state: VmState, name: str) -> None:
    marked = {"SAVEAS": "YES", "SAVEAS_IMAGE": "9", "SAVEAS_SNAPSHOT": "-1", "SAVEAS_SOURCE": "/srv/ds/1/new"}
    assert lines(with_disks(marked, state=state), "saveas") == [
        f"CPDS shared host3:/srv/ds/0/42/{name} front:/srv/ds/1/new -1 42 0"
    ]


def test_without_a_mark_no_disk_is_touched() -> None:
    for operation in ("attach", "detach", "drop", "resize", "snap_create", "snap_revert", "snap_delete"):
        assert lines(with_disks({"SAVE": "YES"}, {}), operation) == []


def test_every_transfer_that_the_table_asks_for_is_known() -> None:
    machine = vm(template=prepared(DISK=[DISK]), stays=2)
    for verb in {row.ask.verb for row in ROWS if row.ask and row.ask.family == "tm"}:
        lines(machine, verb)


def test_there_is_no_other_operation() -> None:
    with pytest.raises(KeyError):
        lines(vm(), "teleport")


@pytest.mark.parametrize("disk", [{"TYPE": "FS", "FORMAT": "ext3"}, {"TYPE": "fs", "FS": "xfs"}, {"TYPE": "SWAP"}])
def test_disks_that_are_made_empty_are_said_to_be_raw_whatever_a_guest_writes_to_them(disk):
    machine = vm(template=Template((("DISK", {"DISK_ID": "4", "SIZE": "8", **disk}),)))
    assert head_lines(machine) == ["# trifid disk 4 raw"]


def test_a_script_tells_which_disks_are_images_and_what_must_not_lead_out_of_where_users_name_files() -> None:
    disks = ({"DISK_ID": "0", "SOURCE": "/srv/ds/1/abc", "IMAGE_ID": "0", "DRIVER": "qcow2"}, {"DISK_ID": "2"})
    machine = vm(template=Template(tuple(("DISK", disk) for disk in disks)))
    assert head_lines(machine, ["https://example.org/", "/srv/pub/", "/srv/more"]) == [
        *("# trifid disk 0 qcow2", "# trifid disk 0 image"),
        *("# trifid within /srv/pub", "# trifid within /srv/more"),
    ]


# -- a live migration that takes disks along -----------------------------------------------------------

BOTH = "host3:/srv/ds/0/42 host4:/srv/ds/0/42"


def test_a_target_is_told_which_disks_the_guest_writes_to() -> None:
    disks = [
        {**DISK, "DRIVER": "qcow2"},
        {**DISK, "TYPE": "CDROM"},
        {"TYPE": "fs", "SIZE": "8", "FS": "ext4"},
        {**DISK, "READONLY": "yes"},
        DISK,
    ]
    machine = vm(VmState.MIGRATE_COPY_PREPARE, template=prepared(DISK=disks))
    assert lines(machine, "premigrate") == [f"PREMIGRATE shared {BOTH} 0:qcow2,2:raw,4:raw 42 0"]


def test_a_vm_without_disks_has_a_target_prepared_all_the_same() -> None:
    machine = vm(VmState.MIGRATE_COPY_PREPARE, template=prepared())
    assert lines(machine, "premigrate") == [f"PREMIGRATE shared {BOTH} - 42 0"]


def test_what_goes_after_a_live_migration_is_named_after_what_stays() -> None:
    assert lines(vm(VmState.RUNNING, stays=2), "postmigrate") == [f"POSTMIGRATE shared {BOTH} 42 0"]
    back = vm(VmState.MIGRATE_COPY_DROP, history=(stay(0, 3), stay(1, 4), stay(2, 3)))
    assert lines(back, "failmigrate") == [f"FAILMIGRATE shared {BOTH} 42 0"]
