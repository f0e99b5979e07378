"""A VM's disks as thin volumes: made, used in place, kept, moved, saved, removed.

ON A RECORDED VOLUME GROUP where the kernel has no device-mapper, see fake_lvm.py: no guest ran on one.
"""

import os
from pathlib import Path

import pytest

from tests.drivers.ds_builders import qcow2
from tests.drivers.lvm_builders import IMAGE, MARKS, MIB, OTHER, Group
from tests.drivers.tm_builders import body, request, web
from tests.drivers.tm_builders import names as files_in
from trifid.drivers.kit import Failure
from trifid.drivers.lvm import names
from trifid.drivers.lvm.settings import Settings

DISK = "vm-42-0-01234567"


@pytest.fixture
def directory(home: Path) -> Path:
    """Of VM 42 in datastore 0."""
    return home / "datastores" / "0" / "42"


@pytest.fixture
def at(directory: Path) -> str:
    """Disk 0, as scripts call it."""
    return f"host1:{directory}/disk.0"


@pytest.fixture
def cloned(group: Group, at: str, directory: Path) -> Path:
    """A disk of an image; its link."""
    group.do(f"CLONE lvm fe:{group.make(IMAGE, b'image')} {at}")
    return directory / "disk.0"


def test_a_disk_is_a_link_to_a_volume_of_its_own(group: Group, cloned: Path) -> None:
    assert cloned.readlink() == group.base / DISK
    group.write(DISK, b"guest")
    assert (group.read(IMAGE), group.read(DISK)) == (b"image", b"guest")


def test_a_disk_that_is_there_stays(group: Group, cloned: Path, at: str) -> None:
    group.write(DISK, b"guest")
    group.do(f"CLONE lvm fe:{group.image()} {at}")
    assert group.read(DISK) == b"guest"


def test_a_link_to_a_volume_that_is_gone_is_no_disk(group: Group, cloned: Path, at: str) -> None:
    group.write(DISK, b"guest")
    group.lvm().remove(group.volumes()[DISK])
    group.do(f"CLONE lvm fe:{group.image()} {at}")
    assert group.read(DISK) == b"image"


def test_a_disk_grows_right_after_it_is_made(group: Group, cloned: Path, at: str) -> None:
    for _ in range(2):
        group.do(f"RESIZE lvm {at} 10 42 0")
    assert group.volumes()[DISK].size == 12 * MIB
    assert group.read(DISK) == b"image"
    with pytest.raises(Failure, match="it is not made smaller"):
        group.do(f"RESIZE lvm {at} 4 42 0")


def test_files_become_volumes_too(group: Group, home: Path, at: str) -> None:
    (home / "images" / "disk.img").write_bytes(b"in a file")
    group.do(f"CLONE lvm fe:{home}/images/disk.img {at}", told="")
    assert group.read(DISK) == b"in a file"


def test_what_is_fetched_becomes_a_volume(group: Group, directory: Path, at: str) -> None:
    with web(body(b"from the web")) as address:
        group.do(f"CLONE lvm {address}/x {at}", told="")
    assert group.read(DISK) == b"from the web"
    assert files_in(directory) == ["disk.0"]


@pytest.mark.parametrize("told", ["qcow2", ""])
def test_qcow2_is_no_volume(group: Group, home: Path, at: str, told: str) -> None:
    source = qcow2(home / "images" / "layered")
    with pytest.raises(Failure, match="volumes are raw: import it as an image"):
        group.do(f"CLONE lvm fe:{source} {at}", told=told)
    assert group.volumes() == {}


def test_a_kernel_is_a_file(group: Group, home: Path, directory: Path) -> None:
    (home / "images" / ("5" * 32)).write_bytes(b"kernel")
    group.do(f"CLONE lvm fe:{home}/images/{'5' * 32} host1:{directory}/kernel", told="")
    assert (directory / "kernel").read_bytes() == b"kernel"
    assert group.volumes() == {}


def test_swap_and_data_disks_are_volumes_in_the_group_of_the_datastore(group: Group, directory: Path, at: str) -> None:
    for _ in range(2):
        group.do(f"MKSWAP lvm 1 {at}")
        group.do(f"MKIMAGE lvm 5 ext4 host1:{directory}/disk.1")
        group.do(f"MKIMAGE lvm 5 raw host1:{directory}/disk.2")
    sizes = {name: volume.size // MIB for name, volume in group.volumes().items()}
    assert sizes == {DISK: 4, "vm-42-1-01234567": 8, "vm-42-2-01234567": 8}
    assert b"SWAPSPACE2" in (directory / "disk.0").read_bytes()
    with pytest.raises(Failure, match="format ntfs is not known"):
        group.do(f"MKIMAGE lvm 5 ntfs {at}")


def test_without_a_group_it_says_where_one_is_given(group: Group, at: str) -> None:
    group.settings = Settings(group.settings.engine_id, here=("host1",))
    with pytest.raises(Failure, match=r"BASE_PATH=/dev/GROUP, or the driver --group"):
        group.do(f"MKSWAP lvm 1 {at}")


def test_what_a_kill_left_of_a_disk_is_made_anew(group: Group, at: str) -> None:
    group.make(DISK, b"half", tags=(*MARKS, "--addtag", names.PART_TAG))
    group.do(f"MKIMAGE lvm 5 raw {at}")
    assert group.read(DISK) == b""
    assert not group.volumes()[DISK].is_part


def test_a_disk_of_another_vm_is_not_given(group: Group, cloned: Path, home: Path) -> None:
    for word in ("CLONE", "LN"):
        with pytest.raises(Failure, match="belongs to vm 42"):
            group.do(f"{word} lvm fe:{group.base}/{DISK} host1:{home}/datastores/0/43/disk.0 43 0")


def test_an_image_that_is_not_complete_is_not_given(group: Group, at: str) -> None:
    part = group.make(IMAGE, b"half", tags=(*MARKS, "--addtag", names.PART_TAG))
    for word in ("CLONE", "LN"):
        with pytest.raises(Failure, match="is not complete"):
            group.do(f"{word} lvm fe:{part} {at}")


# -- used in place -------------------------------------------------------------------------------------


@pytest.fixture
def persistent(group: Group, at: str, directory: Path) -> Path:
    """A disk that is a persistent image; its link."""
    group.do(f"LN lvm fe:{group.make(IMAGE, b'image')} {at}")
    return directory / "disk.0"


def test_a_persistent_disk_is_the_images_volume(group: Group, persistent: Path, at: str) -> None:
    group.do(f"LN lvm fe:{group.image()} {at}")
    assert persistent.readlink() == group.image()
    assert list(group.volumes()) == [IMAGE]


def test_a_persistent_disk_goes_back_by_itself(group: Group, persistent: Path, at: str) -> None:
    group.write(IMAGE, b"guest")
    for _ in range(2):
        group.do(f"MVDS lvm {at} fe:{group.image()}")
    assert not os.path.lexists(persistent)
    assert group.read(IMAGE) == b"guest"


def test_a_disk_goes_back_to_its_own_image_only(group: Group, persistent: Path, at: str) -> None:
    group.make(OTHER, b"other")
    with pytest.raises(Failure, match=f"is {group.image()}, expected {group.image(OTHER)} used in place"):
        group.do(f"MVDS lvm {at} fe:{group.image(OTHER)}")
    with pytest.raises(Failure, match="there is no such volume"):
        group.do(f"MVDS lvm {at} fe:{group.image('a' * 32)}")
    assert persistent.is_symlink()


def test_a_deleted_vm_leaves_its_persistent_image(group: Group, persistent: Path, directory: Path) -> None:
    group.do(f"DELETE lvm host1:{directory}")
    assert list(group.volumes()) == [IMAGE]
    assert not directory.exists()


def test_a_file_is_not_used_in_place(group: Group, home: Path, at: str) -> None:
    (home / "images" / "x").write_bytes(b"file")
    with pytest.raises(Failure, match="is no block device, it cannot be used in place here: say CLONE=YES"):
        group.do(f"LN lvm fe:{home}/images/x {at}")


def test_another_disk_in_its_place_stays(group: Group, persistent: Path, at: str) -> None:
    group.make(OTHER, b"other")
    with pytest.raises(Failure, match="something else is there already"):
        group.do(f"LN lvm fe:{group.image(OTHER)} {at}")
    assert persistent.readlink() == group.image()


# -- snapshots -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cloned", "persistent"])
def test_a_disk_is_brought_back_to_its_snapshots(
    group: Group, request: pytest.FixtureRequest, at: str, kind: str
) -> None:
    name = request.getfixturevalue(kind).readlink().name
    group.do(f"SNAP_CREATE lvm {at} 0")
    group.write(name, b"GUEST")
    for _ in range(2):
        group.do(f"SNAP_CREATE lvm {at} 0")
        group.do(f"SNAP_REVERT lvm {at} 0")
    assert group.read(name) == b"image"
    with pytest.raises(Failure, match="it has snapshots"):
        group.do(f"RESIZE lvm {at} 40 42 0")
    for _ in range(2):
        group.do(f"SNAP_DELETE lvm {at} 0")
    with pytest.raises(Failure, match="it has no snapshot 0"):
        group.do(f"SNAP_REVERT lvm {at} 0")
    assert f"{name}-s0" not in group.volumes()


def test_a_snapshot_that_is_only_kept_has_no_device(group: Group, cloned: Path, at: str) -> None:
    group.do(f"SNAP_CREATE lvm {at} 0")
    assert not group.volumes()[f"{DISK}-s0"].is_active
    group.do(f"SNAP_REVERT lvm {at} 0")
    assert group.volumes()[DISK].is_active


def test_a_foreign_device_in_place_is_not_changed(group: Group, directory: Path, at: str) -> None:
    directory.mkdir()
    (directory / "disk.0").symlink_to("/dev/null")
    for line in (f"SNAP_CREATE lvm {at} 0", f"RESIZE lvm {at} 40 42 0"):
        with pytest.raises(Failure, match="used in place"):
            group.do(line)


# -- away ----------------------------------------------------------------------------------------------


def test_a_deleted_vm_leaves_nothing(group: Group, cloned: Path, directory: Path, at: str) -> None:
    group.do(f"SNAP_CREATE lvm {at} 0")
    group.do(f"MKSWAP lvm 1 host1:{directory}/disk.1")
    for _ in range(2):
        group.do(f"DELETE lvm host1:{directory}")
    assert list(group.volumes()) == [IMAGE]
    assert not directory.exists()


def test_a_deleted_disk_leaves_the_others(group: Group, cloned: Path, directory: Path, at: str) -> None:
    group.do(f"SNAP_CREATE lvm {at} 0")
    group.do(f"MKSWAP lvm 1 host1:{directory}/disk.1")
    for _ in range(2):
        group.do(f"DELETE lvm {at}")
    assert sorted(group.volumes()) == [IMAGE, "vm-42-1-01234567"]
    assert files_in(directory) == ["disk.1"]


def test_a_volume_without_a_link_goes_with_its_vm(group: Group, directory: Path) -> None:
    group.make(DISK, b"killed before it was linked")
    group.do(f"DELETE lvm host1:{directory}")
    assert group.volumes() == {}


def test_the_disks_of_other_vms_and_engines_stay(group: Group, directory: Path) -> None:
    group.make("vm-421-0-01234567", b"another vm's")
    group.make("vm-42-0-89abcdef", b"another engine's", tags=("--addtag", names.TAG, "--addtag", "trifid-engine=89"))
    group.make("vm-42-1-mine", b"an administrator's", tags=())
    before = list(group.volumes())
    group.do(f"DELETE lvm host1:{directory}")
    assert list(group.volumes()) == before


def test_a_volume_that_another_link_leads_to_stays(group: Group, cloned: Path, home: Path, directory: Path) -> None:
    other = home / "datastores" / "100" / "42"
    other.mkdir(parents=True)
    (other / "disk.0").symlink_to(group.base / DISK)
    group.do(f"DELETE lvm host1:{directory}")
    assert DISK in group.volumes()
    group.do(f"DELETE lvm host1:{other} 42 100")
    assert DISK not in group.volumes()


def test_a_disk_in_use_is_not_removed_and_tidy_only_tells(group: Group, cloned: Path, directory: Path) -> None:
    if not group.is_fake:
        pytest.skip("a real volume is in use when a device stands on it")
    group.set(open=[DISK])
    with pytest.raises(Failure, match="in use"):
        group.do(f"DELETE lvm host1:{directory}")
    under_way = request()
    group.do(f"TIDY lvm host1:{directory}", under_way)
    (told,) = under_way._kit.heard  # type: ignore[attr-defined]
    assert "in use" in told.payload
    assert DISK in group.volumes()


def test_moved_disks_are_the_same_volumes(group: Group, cloned: Path, home: Path, directory: Path) -> None:
    other = home / "datastores" / "100" / "42"
    for _ in range(2):
        group.do(f"CP lvm host1:{directory} host2:{other} 42 100")
    for _ in range(2):
        group.do(f"CLEAN lvm host1:{directory} host2:{other} 42 100")
    assert (other / "disk.0").readlink() == group.base / DISK
    assert DISK in group.volumes()
    group.do(f"MV lvm host1:{other} host1:{directory} 42 0")
    assert group.read(DISK) == b"image"
    assert files_in(directory) == ["disk.0"]


def test_a_stopped_vm_stays_where_it_is(group: Group, cloned: Path, home: Path, directory: Path) -> None:
    group.do(f"MV lvm host1:{directory} fe:{home}/vms/42/images")
    assert cloned.is_symlink()
    group.do(f"DELETE lvm fe:{home}/vms/42/images")
    assert DISK in group.volumes()


def test_a_disk_that_is_kept_becomes_a_file_on_the_front_end(group: Group, cloned: Path, home: Path, at: str) -> None:
    group.write(DISK, b"GUEST")
    for _ in range(2):
        group.do(f"MV lvm {at} fe:{home}/vms/42/disk.0")
    assert (home / "vms" / "42" / "disk.0").read_bytes() == b"GUEST".ljust(8 * MIB, b"\0")
    assert list(group.volumes()) == [IMAGE]
    assert not os.path.lexists(cloned)


def test_a_vm_on_another_machine_is_refused(group: Group, home: Path, cloned: Path) -> None:
    directory = cloned.parent
    with pytest.raises(Failure, match=r"host host3 is not this machine .* start the driver with --here host3"):
        group.do(f"CP lvm host1:{directory} host3:{home}/datastores/0/42")
    under_way = request()
    group.do(f"TIDY lvm host3:{directory}", under_way)
    assert "host3 is not this machine" in under_way._kit.heard[0].payload  # type: ignore[attr-defined]
    assert DISK in group.volumes()


# -- into the catalogue --------------------------------------------------------------------------------


def test_a_disk_is_saved_as_a_new_image(group: Group, cloned: Path, at: str) -> None:
    for _ in range(2):
        group.do(f"CPDS lvm {at} fe:{group.image(OTHER)} -1")
        group.write(DISK, b"later")
    assert group.read(OTHER) == b"image"
    assert group.volumes()[OTHER].is_active


def test_a_snapshot_is_saved_as_a_new_image(group: Group, cloned: Path, at: str) -> None:
    group.do(f"SNAP_CREATE lvm {at} 3")
    group.write(DISK, b"later")
    group.do(f"CPDS lvm {at} fe:{group.image(OTHER)} 3")
    assert group.read(OTHER) == b"image"
    with pytest.raises(Failure, match="it has no snapshot 4"):
        group.do(f"CPDS lvm {at} fe:{group.image('a' * 32)} 4")


def test_a_copy_that_the_hypervisor_made_is_taken_instead_and_removed(group: Group, cloned: Path, at: str) -> None:
    copy = cloned.with_name("disk.0.copy")
    copy.write_bytes(b"one point in time")
    for _ in range(2):
        group.do(f"CPDS lvm {at}.copy fe:{group.image(OTHER)} -1")
        assert group.read(OTHER) == b"one point in time"
        assert not copy.exists()
    with pytest.raises(Failure, match="there is no copy"):
        group.do(f"CPDS lvm {at}.copy fe:{group.image('a' * 32)} -1")


def test_no_image_is_written_by_a_vm_that_was_not_given_it(group: Group, directory: Path, at: str) -> None:
    group.make(OTHER, b"somebody's")
    with pytest.raises(Failure, match="is an image of the catalogue: name it with IMAGE"):
        group.do(f"LN lvm fe:{group.image(OTHER)} {at}", is_image=False)
    assert not (directory / "disk.0").is_symlink()


def test_a_copy_of_an_earlier_attempt_is_not_what_a_disk_at_rest_is_saved_as(
    group: Group, cloned: Path, at: str
) -> None:
    copy = cloned.with_name("disk.0.copy")
    copy.write_bytes(b"of an earlier time")
    group.do(f"CPDS lvm {at} fe:{group.image(OTHER)} -1")
    assert group.read(OTHER) == b"image"
    assert not copy.exists()


def test_only_an_image_is_written(group: Group, cloned: Path, at: str) -> None:
    group.make("mine", b"somebody's")
    for place in (group.base / "mine", Path("/srv") / IMAGE):
        with pytest.raises(Failure, match="is not an image of this datastore"):
            group.do(f"CPDS lvm {at} fe:{place} -1")
    assert group.read("mine") == b"somebody's"
