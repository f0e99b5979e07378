"""Guests are made of the catalogue, and what they write is where its images say; with the shared driver.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.catalogue import Catalogue, domains, file_in, none_left_over, template
from tests.lab.conftest import Guest
from tests.lab.guests import fetch
from tests.system.home import engine
from trifid.drivers.tm.iso import Entry, write_iso

pytestmark = pytest.mark.timeout(400)

SECTORS_PER_MIB = 2048


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory, bridge: str, guest: Guest) -> Iterator[Catalogue]:
    """An engine with the libvirt drivers, under TCG, one host, and the guest in its catalogue."""
    with engine(tmp_path_factory.mktemp("engine") / "home", drivers="libvirt") as started, none_left_over():
        catalogue = Catalogue(started, guest)
        catalogue.api.monitored_host("localhost", "qemu", "qemu")
        yield catalogue


def test_what_a_guest_writes_stays_where_the_images_say(catalogue: Catalogue, tmp_path: Path) -> None:
    classic, note = tmp_path / "classic.img", tmp_path / "note"
    classic.write_bytes(bytes(1 << 20))
    note.write_text("a file of the catalogue\n")
    catalogue.image("note.txt", "--type", "CONTEXT", "--path", str(note))
    with (tmp_path / "cd.iso").open("w+b") as file:
        write_iso([Entry("on-the-cd", note, 0o444), Entry("zeros", classic, 0o444)], file, "A-CD")
    catalogue.image("cd", "--type", "CDROM", "--path", str(tmp_path / "cd.iso"))
    catalogue.image("keep", "--type", "DATABLOCK", "--size", "16m", "--fs", "ext4", "--prefix", "vd", "--persistent")
    catalogue.image("spare", "--type", "DATABLOCK", "--size", "16m", "--fs", "ext2", "--prefix", "vd")
    catalogue.image("swap", "--type", "DATABLOCK", "--size", "16m", "--fs", "swap", "--prefix", "vd")
    disks = """
DISK = [ IMAGE = "root", SIZE = "40" ]
DISK = [ IMAGE = "keep", TARGET = "vda" ]
DISK = [ IMAGE = "spare", TARGET = "vdb" ]
"""
    more = f"""
DISK = [ IMAGE = "swap", TARGET = "vdc" ]
DISK = [ SOURCE = "{classic}", SAVE = "yes", TARGET = "vdd" ]
DISK = [ TYPE = "fs", FORMAT = "ext4", SIZE = "16", TARGET = "vde" ]
DISK = [ IMAGE = "cd" ]
"""
    context = ', FILES_DS = "$FILE[IMAGE=\\"note.txt\\"]", SET_HOSTNAME = "writer"'
    first = catalogue.create(template("writer", disks + more, context=context))

    assert first.does("cat /mnt/context/note.txt") == "a file of the catalogue\n"
    first.does('mkdir /run/seed; mount -t iso9660 -o ro "$(findfs LABEL=cidata)" /run/seed')
    assert '"local-hostname": "writer"' in first.does("cat /run/seed/meta-data")
    first.does('mkdir /run/cd; mount -t iso9660 -o ro "$(findfs LABEL=A-CD)" /run/cd')
    assert first.does("cat /run/cd/on-the-cd") == "a file of the catalogue\n"
    info = fetch(first.address, "/cgi-bin/info").splitlines()
    assert f"disk sda {40 * SECTORS_PER_MIB}" in info
    assert any(line.startswith("swap /dev/vdc ") for line in info)
    for device in ("/dev/vda", "/dev/vdb", "/dev/vde"):
        first.writes(device, "first", "was here")
        assert first.reads(device) == {"first": "was here"}
    first.does("echo saved | dd of=/dev/vdd conv=notrunc")

    for name in ("root", "keep", "spare", "swap", "note.txt", "vmlinuz"):
        assert f"is used by VM {first.id}" in catalogue.refused("oneimage", "delete", name)
        assert catalogue.about(name, "STAT", "RVMS") == ["used", "1"]
    why = catalogue.refused("onevm", "create", "-", text=template("second", disks))
    assert f"persistent and already in use by VM {first.id}" in why

    first.ends()
    assert domains() == []
    saved = f"vms/{first.id}/disk.{4}"
    assert catalogue.files_of_vms() == [saved]
    assert (catalogue.home.path / saved).read_bytes().startswith(b"saved\n")

    second = catalogue.create(template("reader", disks))
    assert second.reads("/dev/vda") == {"first": "was here"}
    assert second.reads("/dev/vdb") == {}
    second.ends()

    sources = {name: catalogue.source(name) for name in ("keep", "spare", "swap", "note.txt")}
    assert all(source.is_file() for source in sources.values())
    catalogue.run("oneimage", "delete", ",".join(sources), "--wait")
    assert not any(source.exists() for source in sources.values())


def test_disks_come_and_go_and_become_images_that_boot(catalogue: Catalogue, tmp_path: Path) -> None:
    brought, tree = tmp_path / "brought.img", tmp_path / "tree"
    tree.mkdir()
    (tree / "hello").write_text("from outside\n")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(brought), "16M"], check=True)
    catalogue.image("brought", "--type", "DATABLOCK", "--path", str(brought), "--prefix", "vd", "--persistent")
    first = catalogue.create(template("origin", 'DISK = [ IMAGE = "root" ]'))

    first.do("disk-attach", "--image", "brought")
    first.until_seen("/dev/vda")
    assert first.reads("/dev/vda") == {"hello": "from outside"}
    first.writes("/dev/vda", "answer", "from inside")
    assert f"is used by VM {first.id}" in catalogue.refused("oneimage", "delete", "brought")
    first.do("disk-detach", first.disk("vda"))
    assert catalogue.about("brought", "STAT", "RVMS") == ["rdy", "0"]
    assert file_in(catalogue.source("brought"), "answer") == "from inside\n"

    first.does("echo while it ran > /left; sync")
    first.do("disk-saveas", "0", "of-running")
    first.does("echo and then > /later; sync")
    first.do("poweroff")
    first.do("disk-saveas", "0", "of-off")
    first.ends()

    for name in ("of-running", "of-off"):
        catalogue.run("onetemplate", "create", "-", text=template(name, f'DISK = [ IMAGE = "{name}" ]'))
    made = catalogue.run("onetemplate", "instantiate", "of-running", "--name", "again")
    kept = catalogue.run("onetemplate", "instantiate", "of-off", "--name", "mine", "--persistent")
    again, mine = catalogue.machine(made), catalogue.machine(kept)
    assert again.does("cat /left; ls /later 2>/dev/null || echo no more") == "while it ran\nno more\n"
    assert mine.does("cat /left /later") == "while it ran\nand then\n"
    mine.does("echo mine > /mine; sync")
    again.ends()
    mine.ends()
    assert file_in(catalogue.source("of-off"), "mine") == ""
    assert file_in(catalogue.source("mine-disk-0"), "mine") == "mine\n"
    assert catalogue.about("mine-disk-0", "STAT", "RVMS") == ["rdy", "0"]

    names = ("brought", "of-running", "of-off", "mine-disk-0")
    sources = [catalogue.source(name) for name in names]
    catalogue.run("oneimage", "delete", ",".join(names), "--wait")
    assert not any(source.exists() for source in sources)
