"""Images of the catalogue as thin volumes: imported, made, cloned, grown, brought back, removed.

ON A RECORDED VOLUME GROUP where the kernel has no device-mapper, see fake_lvm.py: no real device was written to.
"""

import hashlib
import os
from pathlib import Path

import pytest

from tests.drivers.ds_builders import qcow2, qemu_img
from tests.drivers.lvm_builders import EXTENT_MIB, IMAGE, MIB, NAME, OTHER, Group
from tests.drivers.tm_builders import names as files_in
from trifid.drivers.kit import Failure
from trifid.drivers.lvm import names

DATA = os.urandom(150_000) + bytes(1 << 20) + b"end"


@pytest.fixture
def file(inbox: Path) -> Path:
    """A raw disk of an administrator's."""
    path = inbox / "disk"
    path.write_bytes(DATA)
    return path


def left(group: Group, home: Path) -> list[str]:
    """What an import that failed has left: nothing."""
    staged = home / "staged"
    return [*group.volumes(), *(files_in(staged) if staged.is_dir() else [])]


def test_a_file_becomes_a_volume_with_the_same_in_it(group: Group, home: Path, file: Path) -> None:
    assert group.ask("CP", path=str(file)) == f"{group.image()} raw {EXTENT_MIB}"
    assert group.read(IMAGE) == DATA
    (volume,) = group.volumes().values()
    assert volume.is_own(group.settings.engine_id)
    assert not volume.is_part
    assert files_in(home / "staged") == []


def test_a_file_that_is_imported_once_is_not_imported_again(group: Group, file: Path) -> None:
    group.ask("CP", path=str(file))
    group.write(IMAGE, b"a guest wrote this")
    group.ask("CP", path=str(file))
    assert group.read(IMAGE).startswith(b"a guest wrote this")


def test_zeros_take_no_room_in_the_pool(group: Group, inbox: Path) -> None:
    (inbox / "sparse").write_bytes(b"begin" + bytes(32 << 20) + b"end")
    group.ask("CP", path=str(inbox / "sparse"))
    assert group.read(IMAGE).endswith(b"end")
    if group.is_fake:
        assert group.image().stat().st_blocks * 512 < MIB


def test_zeros_are_written_where_the_pool_does_not_clear_its_blocks(group: Group, inbox: Path) -> None:
    if not group.is_fake:
        pytest.skip("the pool of the real group clears its blocks")
    group.set(is_zeroed=False)
    (inbox / "sparse").write_bytes(b"begin" + bytes(8 << 20) + b"end")
    group.ask("CP", path=str(inbox / "sparse"))
    assert group.image().stat().st_blocks * 512 >= 8 * MIB


def test_a_qcow2_file_is_written_out(group: Group, file: Path, inbox: Path) -> None:
    qemu_img("convert", "-f", "raw", "-O", "qcow2", file, inbox / "layered")
    assert group.ask("CP", path=str(inbox / "layered")) == f"{group.image()} raw {EXTENT_MIB}"
    assert group.read(IMAGE) == DATA


def test_an_image_is_as_large_as_its_owner_wants(group: Group, file: Path) -> None:
    assert group.ask("CP", path=str(file), size_mib=9).split()[-1] == "12"


def test_a_cd_stays_as_large_as_it_is(group: Group, file: Path) -> None:
    assert group.ask("CP", path=str(file), kind="CDROM", size_mib=9).split()[-1] == str(EXTENT_MIB)


def test_an_upload_is_gone_once_it_is_an_image(group: Group, home: Path) -> None:
    upload = home / "uploads" / "3" / "x"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(DATA)
    group.ask("CP", path=str(upload))
    assert not upload.exists()
    assert group.read(IMAGE) == DATA


def test_another_checksum_than_expected_leaves_nothing(group: Group, home: Path, file: Path) -> None:
    with pytest.raises(Failure, match=f"^{file}: its md5 is"):
        group.ask("CP", path=str(file), checksum=f"md5:{hashlib.md5(b'other').hexdigest()}")
    assert left(group, home) == []


def test_what_is_larger_than_is_taken_leaves_nothing(group: Group, home: Path, inbox: Path) -> None:
    with pytest.raises(Failure, match="no more than 2 MiB are taken"):
        group.ask("CP", path=str(qcow2(inbox / "large", "3M")), size_mib_max=2)
    with pytest.raises(Failure, match="no more than 4 MiB are taken"):
        group.ask("CP", path=str(qcow2(inbox / "grown", "3M")), size_mib=5, size_mib_max=4)
    assert left(group, home) == []


def test_a_disk_of_a_foreign_format_leaves_nothing(group: Group, home: Path, inbox: Path) -> None:
    (inbox / "x").write_bytes(b"KDMV" + bytes(1000))
    with pytest.raises(Failure, match="it is a VMDK image"):
        group.ask("CP", path=str(inbox / "x"))
    assert left(group, home) == []


def test_a_kernel_belongs_in_a_file_datastore(group: Group, file: Path) -> None:
    with pytest.raises(Failure, match="use a file datastore"):
        group.ask("CP", path=str(file), kind="KERNEL")


def test_nothing_of_the_engines_home_is_imported(group: Group, home: Path) -> None:
    (home / "secret").write_bytes(DATA)
    with pytest.raises(Failure, match="nothing is taken from there"):
        group.ask("CP", path=str(home / "secret"))


def test_no_room_leaves_nothing(group: Group, home: Path, tiny: Path, file: Path) -> None:
    if not group.is_fake:
        pytest.skip("a real pool that is full makes its devices wait for a minute")
    data = group.state / "data"
    data.rmdir()
    data.symlink_to(tiny)
    (tiny / "other").write_bytes(os.urandom(4 * MIB - (100 << 10)))
    with pytest.raises(Failure, match=f"is the thin pool {NAME}/trifid full"):
        group.ask("CP", path=str(file))
    assert left(group, home) == []


@pytest.mark.parametrize("fs", ["", "raw", "ext4", "swap"])
def test_an_empty_image_is_made_once(group: Group, fs: str) -> None:
    assert group.ask("MKFS", size_mib=6, fs=fs) == f"{group.image()} raw 8"
    magic = {"ext4": (1080, b"\x53\xef"), "swap": (4086, b"SWAPSPACE2")}.get(fs, (0, b""))
    assert group.image().read_bytes()[magic[0] :].startswith(magic[1])
    group.write(IMAGE, b"mine")
    group.ask("MKFS", size_mib=6, fs=fs)
    assert group.read(IMAGE).startswith(b"mine")


def test_volumes_are_raw(group: Group) -> None:
    with pytest.raises(Failure, match="images of a volume group are raw"):
        group.ask("MKFS", size_mib=6, format="qcow2")
    with pytest.raises(Failure, match="file system ntfs is not known"):
        group.ask("MKFS", size_mib=6, fs="ntfs")
    assert group.volumes() == {}


def test_a_clone_is_of_its_own(group: Group) -> None:
    original = group.make(OTHER, b"first")
    assert group.ask("CLONE", clone_source=str(original), clone_format="raw") == f"{group.image()} raw 8"
    group.write(OTHER, b"other")
    assert group.read(IMAGE) == b"first"


def test_a_clone_may_be_larger(group: Group) -> None:
    original = group.make(OTHER, b"first")
    assert group.ask("CLONE", clone_source=str(original), size_mib=10).split()[-1] == "12"
    assert group.read(IMAGE) == b"first"
    with pytest.raises(Failure, match="no more than 10 MiB are taken"):
        group.ask("CLONE", source=str(group.image("a" * 32)), clone_source=str(original), size_mib=20, size_mib_max=10)


def test_nothing_is_cloned_that_is_not_complete(group: Group) -> None:
    part = group.make(OTHER, b"half", tags=("--addtag", names.TAG, "--addtag", names.PART_TAG))
    with pytest.raises(Failure, match="is not complete"):
        group.ask("CLONE", clone_source=str(part))
    with pytest.raises(Failure, match="there is no such volume"):
        group.ask("CLONE", clone_source=str(group.image("a" * 32)))


def test_what_a_kill_left_is_begun_anew(group: Group, file: Path) -> None:
    marks = ("--addtag", names.TAG, "--addtag", names.engine_tag(group.settings.engine_id))
    group.make(IMAGE, b"half", tags=(*marks, "--addtag", names.PART_TAG))
    group.ask("CP", path=str(file))
    assert group.read(IMAGE) == DATA
    assert [one.is_part for one in group.volumes().values()] == [False]


@pytest.mark.parametrize("verb", ["CP", "RM", "RESIZE", "SNAP_FLATTEN"])
def test_a_volume_that_another_made_is_left_as_it_is(group: Group, file: Path, verb: str) -> None:
    group.make(IMAGE, b"theirs", tags=("--addtag", names.TAG, "--addtag", names.engine_tag("another")))
    if verb == "RM":
        group.ask(verb)
    else:
        with pytest.raises(Failure, match="was not made by this engine"):
            group.ask(verb, path=str(file), size_mib=40)
    assert group.read(IMAGE) == b"theirs"
    assert group.volumes()[IMAGE].size == 8 * MIB


@pytest.mark.parametrize("source", ["/dev/sda", f"{NAME}/mine", f"{NAME}/../{IMAGE}", "", f"other/{IMAGE}"])
def test_only_images_of_the_datastore_are_written_and_removed(group: Group, file: Path, source: str) -> None:
    group.make("mine", b"data of somebody's")
    path = str(group.devices / source) if source and not source.startswith("/") else source
    with pytest.raises(Failure):
        group.ask("CP", path=str(file), source=path)
    group.ask("RM", source=path)
    assert list(group.volumes()) == ["mine"]


def test_an_image_grows_by_whole_extents_and_never_shrinks(group: Group) -> None:
    group.make(IMAGE, b"first", size_mib=8)
    for size_mib, is_then in ((6, "8"), (8, "8"), (9, "12"), (9, "12"), (12, "12")):
        assert group.ask("RESIZE", size_mib=size_mib) == is_then
    with pytest.raises(Failure, match=r"it has 12\.0 MiB, it is not made smaller: 8 MiB were asked for"):
        group.ask("RESIZE", size_mib=8)
    assert group.read(IMAGE) == b"first"


def keep(group: Group, snapshot_id: int, data: bytes) -> None:
    """Take a snapshot of the image, as its VM does, then write to it."""
    directory = Path(os.environ["TRIFID_HOME"], "datastores", "0", "42")
    directory.mkdir(exist_ok=True)
    if not (directory / "disk.0").is_symlink():
        (directory / "disk.0").symlink_to(group.image())
    group.do(f"SNAP_CREATE lvm host1:{directory}/disk.0 {snapshot_id}")
    group.write(IMAGE, data)


def test_an_image_is_brought_back_to_its_snapshots(group: Group) -> None:
    group.make(IMAGE, b"first.")
    keep(group, 0, b"second")
    keep(group, 3, b"third.")
    group.ask("SNAP_REVERT", snapshot_id=0)
    assert group.read(IMAGE) == b"first."
    group.ask("SNAP_REVERT", snapshot_id=3)
    assert group.read(IMAGE) == b"second"
    assert sorted(group.volumes()) == [IMAGE, f"{IMAGE}-s0", f"{IMAGE}-s3"]
    with pytest.raises(Failure, match="it has snapshots"):
        group.ask("RESIZE", size_mib=40)
    with pytest.raises(Failure, match="it has no snapshot 7"):
        group.ask("SNAP_REVERT", snapshot_id=7)
    for _ in range(2):
        group.ask("SNAP_DELETE", snapshot_id=3)
    assert sorted(group.volumes()) == [IMAGE, f"{IMAGE}-s0"]


def test_a_flattened_image_is_as_it_was_and_has_no_snapshots(group: Group) -> None:
    group.make(IMAGE, b"first.")
    keep(group, 0, b"second")
    keep(group, 3, b"third.")
    with pytest.raises(Failure, match="it has no snapshot 7"):
        group.ask("SNAP_FLATTEN", snapshot_id=7)
    for _ in range(2):
        group.ask("SNAP_FLATTEN", snapshot_id=0)
    assert list(group.volumes()) == [IMAGE]
    assert group.read(IMAGE) == b"first."


def test_a_removed_image_takes_everything_of_it_along_and_nothing_else(group: Group, home: Path) -> None:
    group.make(IMAGE, b"first.")
    keep(group, 0, b"second")
    group.make(OTHER, b"other")
    (home / "staged").mkdir()
    (home / "staged" / f"{IMAGE}.part").write_bytes(b"half")
    for _ in range(2):
        group.ask("RM")
    assert list(group.volumes()) == [OTHER]
    assert files_in(home / "staged") == []


def test_an_image_that_is_in_use_is_not_removed(group: Group) -> None:
    if not group.is_fake:
        pytest.skip("a real volume is in use when a device stands on it")
    group.make(IMAGE, b"first.")
    group.set(open=[IMAGE])
    with pytest.raises(Failure, match="in use"):
        group.ask("RM")
    assert list(group.volumes()) == [IMAGE]


def test_the_size_and_format_of_a_file_are_told_without_importing_it(group: Group, file: Path, inbox: Path) -> None:
    assert group.ask("STAT", path=str(file)) == "2 raw"
    assert group.ask("STAT", path=str(qcow2(inbox / "layered", "9M"))) == "9 qcow2"
    assert group.volumes() == {}


def test_room_is_that_of_the_pool(group: Group) -> None:
    told = dict(word.split("=") for word in group.ask("MONITOR").split())
    assert told["TOTAL_MB"] == "400"
    if group.is_fake:
        assert (told["USED_MB"], told["FREE_MB"]) == ("100", "300")


def test_the_pool_is_asked_again_when_it_was_not_in_use(group: Group) -> None:
    if not group.is_fake:
        pytest.skip("the pool of the real group is in use")
    group.set(is_pool_used=False)
    assert group.ask("MONITOR") == "USED_MB=100 TOTAL_MB=400 FREE_MB=300"


def test_a_group_without_the_pool_says_how_one_is_made(group: Group) -> None:
    group.settings = type(group.settings)(group.settings.engine_id, pool="none")
    with pytest.raises(Failure, match=f"lvcreate --type thin-pool -L SIZE -n none {NAME}"):
        group.ask("MONITOR")
    with pytest.raises(Failure, match=f"Pool none not found in Volume group {NAME}"):
        group.ask("MKFS", size_mib=4)


@pytest.mark.parametrize("base", ["", "/srv/images", "/dev", "/dev/a/b", "/dev/..", "/dev/a b"])
def test_a_datastore_must_name_its_group(group: Group, base: str) -> None:
    with pytest.raises(Failure, match=r"is not a volume group, expected BASE_PATH=.*/GROUP"):
        group.ask("MONITOR", base_path=base)


def test_a_group_that_is_not_there_is_named(group: Group) -> None:
    with pytest.raises(Failure, match='Volume group "nosuch" not found'):
        group.ask("MONITOR", base_path=str(group.devices / "nosuch"))
