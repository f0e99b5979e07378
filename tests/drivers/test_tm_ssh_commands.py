"""The commands of the ssh transfer driver, on hosts with disks of their own."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.drivers.ssh_builders import IMAGE, Scene
from tests.drivers.tm_builders import VM, Listening, body, names, web
from trifid.drivers.kit import Failure, Request
from trifid.wire.lines import Message

MIB = 1 << 20


def put(path: Path, data: bytes = b"data", size: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if size:
        os.truncate(path, size)
    return path


def qemu_img(*argv: str) -> str:
    return subprocess.run(["qemu-img", *argv], check=True, capture_output=True, text=True).stdout


# -- a disk comes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["CLONE", "LN"])
def test_an_image_is_copied_to_the_host(scene: Scene, word: str) -> None:
    for _ in range(2):
        scene.do(f"{word} IMAGE HERE/disk.0")
    assert (scene.here / "disk.0").read_bytes() == scene.image.read_bytes()
    assert (scene.here / "disk.0").stat().st_blocks * 512 < MIB
    assert names(scene.here) == ["disk.0"]
    assert scene.here.stat().st_mode & 0o777 == 0o751


def test_a_disk_that_is_there_stays_as_the_guest_left_it(scene: Scene) -> None:
    scene.do("CLONE IMAGE HERE/disk.0")
    (scene.here / "disk.0").write_bytes(b"guest")
    scene.do("CLONE IMAGE HERE/disk.0")
    assert (scene.here / "disk.0").read_bytes() == b"guest"


def test_a_persistent_image_comes_with_its_snapshots(scene: Scene) -> None:
    put(Path(f"{scene.image}.snap") / "3", b"earlier")
    scene.do("LN IMAGE HERE/disk.0")
    assert (scene.here / "disk.0.snap" / "3").read_bytes() == b"earlier"


def test_a_clone_has_none_of_the_snapshots(scene: Scene) -> None:
    put(Path(f"{scene.image}.snap") / "3", b"earlier")
    scene.do("CLONE IMAGE HERE/disk.0")
    assert names(scene.here) == ["disk.0"]


def test_kernel_and_initrd_are_copied(scene: Scene) -> None:
    scene.do("CLONE IMAGE HERE/kernel")
    scene.do("CLONE IMAGE HERE/initrd")
    assert names(scene.here) == ["initrd", "kernel"]


def test_a_source_that_is_a_link_is_followed(scene: Scene) -> None:
    link = scene.home / "images" / "etch"
    link.symlink_to(scene.image)
    scene.do(f"CLONE localhost:{link} HERE/disk.0")
    assert (scene.here / "disk.0").read_bytes() == scene.image.read_bytes()


def test_a_disk_from_the_web_goes_through_the_front_end(scene: Scene) -> None:
    with web(body(b"x" * 300_000)) as address:
        scene.do(f"CLONE {address}/etch.img HERE/disk.0")
    scene.do(f"CLONE {address}/etch.img HERE/disk.0")  # nobody answers any more, and need not
    assert (scene.here / "disk.0").read_bytes() == b"x" * 300_000
    assert names(scene.kept) == []


def test_volatile_disks_are_made_on_the_host(scene: Scene) -> None:
    for _ in range(2):
        scene.do("MKSWAP 4 HERE/disk.1")
        scene.do("MKIMAGE 8 ext4 HERE/disk.2")
        scene.do("MKIMAGE 2 raw HERE/disk.3")
    assert {path.name: path.stat().st_size for path in scene.here.iterdir()} == {
        "disk.1": 4 * MIB,
        "disk.2": 8 * MIB,
        "disk.3": 2 * MIB,
    }
    assert (scene.here / "disk.1").read_bytes()[4086:4096] == b"SWAPSPACE2"
    assert (scene.here / "disk.2").read_bytes()[1080:1082] == b"\x53\xef"


def test_a_context_is_written_here_and_sent(scene: Scene) -> None:
    sh = put(scene.kept / "context.sh", b"HELLO='there'\n")
    for _ in range(2):
        scene.do(f"CONTEXT {sh} HERE/disk.1")
    image = (scene.here / "disk.1").read_bytes()
    assert b"HELLO='there'" in image and b"CONTEXT" in image
    assert (scene.here / "disk.1").stat().st_mode & 0o777 == 0o600
    assert (names(scene.here), names(scene.kept)) == (["disk.1"], ["context.sh"])


def test_a_context_of_today_replaces_that_of_yesterday(scene: Scene) -> None:
    for text in (b"DAY='yesterday'\n", b"DAY='today____'\n"):
        sh = put(scene.kept / "context.sh", text)
        scene.do(f"CONTEXT {sh} HERE/disk.1")
    assert b"today____" in (scene.here / "disk.1").read_bytes()


# -- from place to place -------------------------------------------------------------------------------


def a_vm(directory: Path) -> dict[str, bytes]:
    """Put the files of a VM into its directory; return them."""
    put(directory / "disk.0", b"root" * 1000, 5 * MIB)
    put(directory / "disk.0.snap" / "0", b"snapshot")
    put(directory / "checkpoint", b"memory" * 1000)
    put(directory / "disk.1", b"iso").chmod(0o600)
    directory.chmod(0o751)
    return contents(directory)


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_the_files_of_a_stopped_vm_wait_on_the_front_end_and_come_back(scene: Scene) -> None:
    files = a_vm(scene.here)
    for _ in range(2):
        scene.do("MV HERE KEPT/images")
    assert contents(scene.kept / "images") == files
    assert not scene.here.exists()
    for _ in range(2):
        scene.do("MV KEPT/images AWAY")
    assert contents(scene.there) == files
    assert (scene.there / "disk.1").stat().st_mode & 0o777 == 0o600
    assert (scene.there / "disk.0").stat().st_blocks * 512 < MIB
    assert names(scene.kept) == []


def test_a_migration_copies_and_then_cleans(scene: Scene) -> None:
    files = a_vm(scene.here)
    put(scene.there / "of-an-earlier-stay")
    put(scene.there / "disk.0", b"older", 5 * MIB)
    for _ in range(2):
        scene.do("CP HERE AWAY")
    assert contents(scene.here) == contents(scene.there) == files
    (scene.there / "checkpoint").unlink()  # it runs by now
    for _ in range(2):
        scene.do("CLEAN HERE AWAY")
    assert names(scene.here.parent) == []
    assert "disk.0" in contents(scene.there)


@pytest.mark.parametrize("fault", ["missing", "shorter", "snapshot"])
def test_nothing_is_cleaned_while_the_target_lacks_something(scene: Scene, fault: str) -> None:
    a_vm(scene.here)
    scene.do("CP HERE AWAY")
    if fault == "missing":
        (scene.there / "disk.1").unlink()
    elif fault == "shorter":
        os.truncate(scene.there / "disk.0", MIB)
    else:
        (scene.there / "disk.0.snap" / "0").unlink()
    before = contents(scene.here)
    with pytest.raises(Failure, match=r"lacks disk\.[01](.snap/0)?: host1:.* is kept"):
        scene.do("CLEAN HERE AWAY")
    assert contents(scene.here) == before


@pytest.mark.parametrize(
    "lines",
    [("CP HERE AWAY", "CLEAN HERE AWAY"), ("CLEAN AWAY HERE",), ("MV HERE AWAY",), ("MV HERE/disk.0 AWAY/disk.0",)],
)
def test_a_host_that_has_two_names_loses_nothing(scene: Scene, lines: tuple[str, ...]) -> None:
    scene.there = scene.here
    scene.here.mkdir(parents=True)
    (scene.here / "disk.0").write_bytes(b"guest")
    for line in lines:
        scene.do(line)
    assert names(scene.here) == ["disk.0"]
    assert (scene.here / "disk.0").read_bytes() == b"guest"


def test_what_was_nowhere_cannot_be_moved(scene: Scene) -> None:
    for line in ("MV HERE KEPT/images", "CP HERE AWAY", "MV HERE/disk.0 KEPT/disk.0"):
        with pytest.raises(Failure, match=r"neither .* exists"):
            scene.do(line)


def test_a_directory_that_was_half_removed_is_not_taken_for_the_vm(scene: Scene) -> None:
    files = a_vm(scene.here)
    scene.do("MV HERE KEPT/images")
    put(scene.here.parent / f"{VM}.gone" / "disk.1")  # as a kill amid the removal leaves it
    scene.do("MV HERE KEPT/images")
    assert contents(scene.kept / "images") == files
    assert names(scene.here.parent) == []


def test_a_saved_disk_does_not_replace_one_saved_before(scene: Scene) -> None:
    put(scene.kept / "disk.0", b"first")
    put(scene.here / "disk.0", b"second")
    for _ in range(2):
        scene.do("MV HERE/disk.0 KEPT/disk.0")
    assert contents(scene.kept) == {"disk.0": b"second", "disk.0.1": b"first"}
    assert names(scene.here) == []


def test_a_link_among_the_files_of_a_vm_is_not_followed(scene: Scene) -> None:
    a_vm(scene.here)
    (scene.here / "disk.9").symlink_to("/etc/hostname")
    with pytest.raises(Failure, match=r"disk\.9 is neither a file nor a directory"):
        scene.do("MV HERE KEPT/images")


# -- a disk goes ---------------------------------------------------------------------------------------


def test_a_disk_is_deleted_with_all_that_is_kept_of_it(scene: Scene) -> None:
    for name in ("disk.1", "disk.1.snap/0", "disk.1.part", "disk.1.part.state", "disk.1.copy", "disk.10"):
        put(scene.here / name)
    for _ in range(2):
        scene.do("DELETE HERE/disk.1")
    assert names(scene.here) == ["disk.10"]


def test_a_vm_is_deleted_and_no_other(scene: Scene) -> None:
    a_vm(scene.here)
    put(scene.here.parent / "421" / "disk.0")
    put(scene.here.parent / f"{VM}.gone" / "disk.0")
    for _ in range(2):
        scene.do("DELETE HERE")
    assert names(scene.here.parent) == ["421"]
    a_vm(scene.kept / "images")
    scene.do("DELETE KEPT/images")
    assert names(scene.kept) == []


def test_what_cannot_be_tidied_up_any_more_is_told_and_does_no_harm(scene: Scene) -> None:
    a_vm(scene.there)
    scene.do("TIDY AWAY")
    assert names(scene.there.parent) == []
    kit = Listening()
    scene.do(f"TIDY nobody.invalid:{scene.here}", of=Request(kit, Message("TRANSFER", "", VM, "script"), 1))
    assert "left over and not removed: nobody.invalid is not reached" in kit.heard[0].payload


def test_a_persistent_disk_comes_back_to_its_image_with_its_snapshots(scene: Scene) -> None:
    snapshots = Path(f"{scene.image}.snap")
    put(snapshots / "0", b"old")
    scene.do("LN IMAGE HERE/disk.0")
    with (scene.here / "disk.0").open("r+b") as file:
        file.write(b"guest")
    scene.do("SNAP_CREATE HERE/disk.0 1")
    scene.do("SNAP_DELETE HERE/disk.0 0")
    for _ in range(2):
        scene.do("MVDS HERE/disk.0 IMAGE")
    assert scene.image.read_bytes()[:8] == b"guestoot"
    assert contents(snapshots) == {"1": scene.image.read_bytes()}
    assert names(scene.here) == []
    assert names(scene.image.parent) == [IMAGE, f"{IMAGE}.snap"]


def test_a_persistent_disk_that_is_nowhere_is_a_failure(scene: Scene) -> None:
    scene.image.unlink()
    with pytest.raises(Failure, match=r"neither .* nor .* exists"):
        scene.do("MVDS HERE/disk.0 IMAGE")


# -- save-as -------------------------------------------------------------------------------------------


def test_a_disk_becomes_a_new_image_and_stays(scene: Scene) -> None:
    put(scene.here / "disk.0", b"guest", 3 * MIB)
    scene.image.unlink()
    for _ in range(2):
        scene.do("CPDS HERE/disk.0 IMAGE -1", "raw")
    assert scene.image.read_bytes() == (scene.here / "disk.0").read_bytes()
    assert (names(scene.here), names(scene.image.parent)) == (["disk.0"], [IMAGE])


def test_the_copy_that_the_hypervisor_made_is_taken_and_removed(scene: Scene) -> None:
    put(scene.here / "disk.0", b"now")
    put(scene.here / "disk.0.copy", b"then")
    scene.image.unlink()
    for _ in range(2):
        scene.do("CPDS HERE/disk.0.copy IMAGE -1", "raw")
        assert scene.image.read_bytes() == b"then"
        assert names(scene.here) == ["disk.0"]


def test_a_copy_that_came_to_nothing_is_not_there_for_the_next(scene: Scene) -> None:
    put(scene.here / "disk.0", b"now")
    for name in ("disk.0.copy", "disk.0.copy.part"):
        put(scene.here / name, b"then")
    shutil.rmtree(scene.image.parent)
    with pytest.raises(Failure, match="is the image datastore mounted"):
        scene.do("CPDS HERE/disk.0.copy IMAGE -1", "raw")
    assert names(scene.here) == ["disk.0"]
    scene.image.parent.mkdir()
    with pytest.raises(Failure, match=r"there is no copy host1:.*disk\.0\.copy"):
        scene.do("CPDS HERE/disk.0.copy IMAGE -1", "raw")
    assert names(scene.image.parent) == []


def test_the_copy_of_a_cancelled_transfer_is_removed(scene: Scene) -> None:
    put(scene.here / "disk.0", b"now")
    put(scene.here / "disk.0.copy", b"then")
    scene.image.unlink()
    of = Request(Listening(), Message("TRANSFER", "", VM, "script"), 1)
    of.cancel()
    with pytest.raises(Failure, match="cancelled by the engine"):
        scene.do("CPDS HERE/disk.0.copy IMAGE -1", "raw", of=of)
    assert names(scene.here) == ["disk.0"]


def test_a_copy_of_an_earlier_attempt_is_not_what_a_disk_at_rest_is_saved_as(scene: Scene) -> None:
    put(scene.here / "disk.0", b"now")
    put(scene.here / "disk.0.copy", b"then")
    scene.image.unlink()
    scene.do("CPDS HERE/disk.0 IMAGE -1", "raw")
    assert scene.image.read_bytes() == b"now"
    assert names(scene.here) == ["disk.0"]


def test_a_snapshot_becomes_a_new_image(scene: Scene) -> None:
    put(scene.here / "disk.0", b"now")
    put(scene.here / "disk.0.snap" / "2", b"then")
    scene.image.unlink()
    scene.do("CPDS HERE/disk.0 IMAGE 2", "raw")
    assert scene.image.read_bytes() == b"then"
    scene.image.unlink()
    with pytest.raises(Failure, match="no snapshot 7"):
        scene.do("CPDS HERE/disk.0 IMAGE 7", "raw")


@pytest.mark.parametrize("number", ["-1", "0"])
def test_a_qcow2_disk_becomes_an_image_without_snapshots(scene: Scene, number: str) -> None:
    disk = scene.here / "disk.0"
    disk.parent.mkdir()
    qemu_img("create", "-q", "-f", "qcow2", str(disk), "8M")
    scene.do("SNAP_CREATE HERE/disk.0 0", "qcow2")
    scene.image.unlink()
    for _ in range(2):
        scene.do(f"CPDS HERE/disk.0 IMAGE {number}", "qcow2")
    assert "disk-snapshot" not in qemu_img("info", "-f", "qcow2", str(scene.image))
    assert names(scene.here) == ["disk.0"]


# -- snapshots and sizes -------------------------------------------------------------------------------


def test_a_raw_disk_is_kept_and_brought_back(scene: Scene) -> None:
    disk = put(scene.here / "disk.0", b"before", 2 * MIB)
    for _ in range(2):
        scene.do("SNAP_CREATE HERE/disk.0 0", "raw")
    put(disk, b"after", 2 * MIB)
    for _ in range(2):
        scene.do("SNAP_CREATE HERE/disk.0 1", "raw")
        scene.do("SNAP_REVERT HERE/disk.0 0", "raw")
    assert disk.read_bytes()[:6] == b"before"
    scene.do("SNAP_REVERT HERE/disk.0 1", "raw")
    assert disk.read_bytes()[:5] == b"after"
    for number in (0, 1, 1):
        scene.do(f"SNAP_DELETE HERE/disk.0 {number}", "raw")
    assert names(scene.here) == ["disk.0"]
    with pytest.raises(Failure, match="no snapshot 0"):
        scene.do("SNAP_REVERT HERE/disk.0 0", "raw")


def test_a_qcow2_disk_keeps_its_snapshots_in_itself(scene: Scene) -> None:
    disk = scene.here / "disk.0"
    disk.parent.mkdir()
    qemu_img("create", "-q", "-f", "qcow2", str(disk), "8M")
    for _ in range(2):
        scene.do("SNAP_CREATE HERE/disk.0 4", "qcow2")
    assert qemu_img("snapshot", "-l", str(disk)).count("disk-snapshot-4") == 1
    scene.do("SNAP_REVERT HERE/disk.0 4", "qcow2")
    with pytest.raises(Failure, match="it has snapshots"):
        scene.do("RESIZE HERE/disk.0 16", "qcow2")
    for _ in range(2):
        scene.do("SNAP_DELETE HERE/disk.0 4", "qcow2")
    with pytest.raises(Failure, match="no snapshot 4"):
        scene.do("SNAP_REVERT HERE/disk.0 4", "qcow2")
    for _ in range(2):
        scene.do("RESIZE HERE/disk.0 16", "qcow2")
    assert '"virtual-size": 16777216' in qemu_img("info", "--output=json", str(disk))


def test_a_raw_disk_grows_and_does_not_shrink(scene: Scene) -> None:
    disk = put(scene.here / "disk.0", b"x", MIB)
    for _ in range(2):
        scene.do("RESIZE HERE/disk.0 3", "raw")
    assert disk.stat().st_size == 3 * MIB
    with pytest.raises(Failure, match=r"it has 3\.0 MiB, it is not made smaller"):
        scene.do("RESIZE HERE/disk.0 2", "raw")
    scene.do("SNAP_CREATE HERE/disk.0 0", "raw")
    with pytest.raises(Failure, match="it has snapshots"):
        scene.do("RESIZE HERE/disk.0 4", "raw")


def test_a_raw_disk_on_which_a_guest_wrote_the_head_of_a_layer_is_a_raw_disk(scene: Scene) -> None:
    layer, secret = scene.home / "layer", put(scene.home / "secret", b"secret", MIB)
    qemu_img("create", "-q", "-f", "qcow2", "-b", str(secret), "-F", "raw", str(layer))
    disk = put(scene.here / "disk.0", layer.read_bytes(), 4 * MIB)
    before = disk.read_bytes()
    scene.do("SNAP_CREATE HERE/disk.0 0", "raw")
    scene.image.unlink()
    scene.do("CPDS HERE/disk.0 IMAGE 0", "raw")
    assert scene.image.read_bytes() == before


def test_a_layer_that_is_said_to_be_a_disk_in_one_piece_is_refused(scene: Scene) -> None:
    secret = put(scene.home / "secret", b"secret", MIB)
    scene.here.mkdir()
    qemu_img("create", "-q", "-f", "qcow2", "-b", str(secret), "-F", "raw", str(scene.here / "disk.0"))
    scene.image.unlink()
    with pytest.raises(Failure, match="is a layer over"):
        scene.do("CPDS HERE/disk.0 IMAGE -1", "qcow2")
    assert not scene.image.exists()


# -- refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("CLONE host2:/etc/shadow HERE/disk.0", "not on the front-end"),
        ("CLONE IMAGE host1:/etc/disk.0", "not in a directory of vm"),
        ("CLONE IMAGE HERE", "expected a file in it"),
        ("CLONE IMAGE -oProxyCommand=id:/x/0/42/disk.0", "no name of a host"),
        ("CLONE localhost:HOME/one.db HERE/disk.0", "belongs to the engine"),
        ("CLONE localhost:HOME/datastores/0/7/disk.0 HERE/disk.0", "belongs to vm 7"),
        ("LN http://example.com/x HERE/disk.0", "cannot be used in place"),
        ("MVDS HERE/disk.0 host1:/srv/5/0123456789abcdef0123456789abcdef", "not on the front-end"),
        ("MVDS HERE/disk.0 localhost:/etc/passwd", "not an image"),
        ("CPDS HERE/disk.0 localhost:/etc/passwd -1", "not an image"),
        ("CPDS HERE/disk.0 IMAGE -2", "snapshot -2 is not a number"),
        ("CPDS host1:/srv/0/7/disk.0.copy IMAGE -1", "not the directory of vm"),
        ("MV HERE host2:/etc", "not in a directory of vm"),
        ("CP HERE KEPT", "not the directory of vm"),
        ("DELETE host1:/etc", "not the directory of vm"),
        ("DELETE host1:/srv/0/7/disk.0", "not the directory of vm"),
        ("RESIZE HERE/disk.0 -5", "not a number"),
        ("RESIZE HERE/disk.0 5", "no such disk"),
        ("MKSWAP 0 HERE/disk.0", "not a positive number"),
        ("MKIMAGE 1 ntfs HERE/disk.0", "not known"),
        ("BREW HERE/disk.0", "does not know it"),
    ],
)
def test_what_leads_elsewhere_is_refused(scene: Scene, line: str, reason: str) -> None:
    put(scene.home / "one.db")
    put(scene.home / "datastores" / "0" / "7" / "disk.0")
    if line.startswith("CPDS"):
        scene.image.unlink()
    with pytest.raises(Failure, match=re.escape(reason)):
        scene.do(line.replace("HOME", str(scene.home)))


@pytest.mark.parametrize("word", ["CLONE", "LN"])
def test_a_link_that_leads_out_of_where_users_may_name_files_is_not_followed(scene: Scene, word: str) -> None:
    put(scene.home / "public" / "inside")
    (scene.home / "public" / "mine").symlink_to(scene.image)
    with pytest.raises(Failure, match="mine leads out of"):
        scene.do(f"{word} localhost:{scene.home}/public/mine HERE/disk.0", within=scene.home / "public")
    scene.do(f"{word} localhost:{scene.home}/public/inside HERE/disk.0", within=scene.home / "public")
    assert names(scene.here) == ["disk.0"]


def test_a_cancelled_transfer_stops(scene: Scene) -> None:
    of = Request(Listening(), Message("TRANSFER", "", VM, "script"), 1)
    of.cancel()
    with pytest.raises(Failure, match="cancelled by the engine"):
        scene.do("CLONE IMAGE HERE/disk.0", of=of)
    assert not (scene.here / "disk.0").exists()
