"""Guests on layers over the catalogue's images, and snapshots that an image keeps after its VM; with the qcow2 driver.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.catalogue import Catalogue, domains, file_in, none_left_over, template
from tests.lab.conftest import Guest
from tests.system.home import Home

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def catalogue(tmp_path: Path, bridge: str, guest: Guest) -> Iterator[Catalogue]:
    """An engine with the libvirt drivers, under TCG, whose datastores are those of the qcow2 driver."""
    home = Home(tmp_path / "home", drivers="libvirt")
    home.settings('transfer = "shared"', 'transfer = "qcow2"')
    home.start()
    with none_left_over():
        try:
            catalogue = Catalogue(home, guest)
            catalogue.api.monitored_host("localhost", "qemu", "qemu")
            yield catalogue
        finally:
            home.stop()


def about_file(image: Path) -> dict:
    """Return what qemu-img tells of a qcow2 file."""
    argv = ["qemu-img", "info", "-U", "-f", "qcow2", "--output=json", str(image)]
    told: dict = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    return told


def file_in_qcow2(image: Path, name: str, raw: Path) -> str:
    """Return a file of the ext file system in a qcow2 image."""
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(image), str(raw)], check=True)
    return file_in(raw, name)


def test_layers_are_thin_and_a_persistent_image_keeps_its_snapshots(
    catalogue: Catalogue, guest: Guest, tmp_path: Path
) -> None:
    options = ("--format", "qcow2", "--fs", "ext4", "--prefix", "vd", "--persistent")
    catalogue.image("data", "--type", "DATABLOCK", "--size", "16m", *options)
    first = catalogue.create(template("first", 'DISK = [ IMAGE = "root" ]\nDISK = [ IMAGE = "data", TARGET = "vda" ]'))
    layer = about_file(catalogue.home.path / "datastores" / "0" / str(first.id) / "disk.0")
    root = catalogue.source("root")
    assert (layer["backing-filename"], layer["backing-filename-format"]) == (str(root), "raw")
    assert layer["actual-size"] < root.stat().st_blocks * 512

    first.writes("/dev/vda", "text", "one")
    first.do("disk-snapshot-create", first.disk("vda"), "at-one")
    first.writes("/dev/vda", "text", "two")
    first.does("echo written > /left; sync")
    first.do("disk-saveas", first.disk("sda"), "saved")
    first.do("poweroff")
    first.do("disk-snapshot-revert", first.disk("vda"), "0")
    first.do("resume")
    first.until_open()
    assert first.reads("/dev/vda") == {"text": "one"}
    assert first.does("cat /left") == "written\n"
    first.ends()
    assert catalogue.files_of_vms() == []
    assert catalogue.about("data", "STAT", "SNAPS") == ["rdy", "1"]
    assert "at-one" in catalogue.run("oneimage", "show", "data")
    assert guest.pristine == root.read_bytes(), "what is written to a layer leaves its image alone"

    saved = about_file(catalogue.source("saved"))
    assert (saved["format"], saved.get("backing-filename")) == ("qcow2", None)
    disks = 'DISK = [ IMAGE = "saved", TARGET = "sda" ]\nDISK = [ IMAGE = "data", TARGET = "vda" ]'
    second = catalogue.create(template("second", disks))
    assert second.does("cat /left") == "written\n"
    assert second.reads("/dev/vda") == {"text": "one"}
    second.writes("/dev/vda", "text", "three")
    second.do("poweroff")
    second.do("disk-saveas", second.disk("vda"), "at-one", "--snapshot", "0")
    second.ends()

    raw = tmp_path / "raw.img"
    data = catalogue.source("data")
    assert file_in_qcow2(data, "text", raw) == "three\n"
    assert file_in_qcow2(catalogue.source("at-one"), "text", raw) == "one\n"
    catalogue.run("oneimage", "snapshot-flatten", "data", "0", "--wait")
    assert file_in_qcow2(data, "text", raw) == "one\n"
    assert catalogue.about("data", "SNAPS") == ["0"]

    sources = [catalogue.source(name) for name in ("data", "saved", "at-one")]
    catalogue.run("oneimage", "delete", "data,saved,at-one", "--wait")
    assert not any(source.exists() for source in sources)
    assert domains() == []
