"""Guests of the catalogue on two hosts that share nothing: disks go out, along, and back; with the ssh driver.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.catalogue import file_in, template
from tests.lab.conftest import Guest
from tests.lab.unshared import Lab, unshared_lab

pytestmark = pytest.mark.timeout(400)

FILES = ["disk.0", "disk.1", "disk.2", "disk.2.cidata", "initrd", "kernel"]
"""What a VM of these tests has on its host."""


@pytest.fixture
def lab(tmp_path: Path, bridge: str, guest: Guest) -> Iterator[Lab]:
    """Two hosts."""
    with unshared_lab(tmp_path, guest) as started:
        yield started


def test_disks_go_wherever_their_guest_goes_and_persistent_ones_come_back(lab: Lab) -> None:
    catalogue = lab.catalogue
    catalogue.image("data", "--type", "DATABLOCK", "--size", "16m", "--fs", "ext4", "--prefix", "vd", "--persistent")
    disks = 'DISK = [ IMAGE = "root" ]\nDISK = [ IMAGE = "data", TARGET = "vda" ]'
    first = lab.deployed(template("traveller", disks), "host-a")
    lab.until_only_on(first, "host-a")
    first.writes("/dev/vda", "first", "was here")
    first.does("echo while it ran > /left; sync")
    first.do("disk-saveas", first.disk("sda"), "saved")
    boot = first.does("echo and then > /later; sync; cat /proc/sys/kernel/random/boot_id")

    first.do("migrate", "host-b")
    lab.until_only_on(first, "host-b")
    first.until_open()
    assert first.does("cat /later /proc/sys/kernel/random/boot_id") == f"and then\n{boot}", "saved: it has not booted"
    assert lab.files_of(first, "host-b") == FILES, "the checkpoint is used up"
    assert first.reads("/dev/vda") == {"first": "was here"}

    first.do("migrate", "--poff", "host-a")
    lab.until_only_on(first, "host-a")
    first.until_open()
    assert first.does("cat /left /later") == "while it ran\nand then\n"
    first.writes("/dev/vda", "moved", "twice")
    assert lab.files_of(first, "host-a") == FILES

    first.do("undeploy")
    assert lab.has() == {}
    first.do("deploy", "host-b")
    lab.until_only_on(first, "host-b")
    first.until_open()
    assert first.reads("/dev/vda") == {"first": "was here", "moved": "twice"}
    assert f"used by VM {first.id}" in catalogue.refused("oneimage", "delete", "data")
    first.ends()
    assert lab.has() == {}
    assert catalogue.files_of_vms() == []
    assert file_in(catalogue.source("data"), "moved") == "twice\n"

    second = lab.deployed(template("settler", 'DISK = [ IMAGE = "saved", TARGET = "sda" ]'), "host-a")
    assert second.does("cat /left; ls /later 2>/dev/null || echo no more") == "while it ran\nno more\n"
    second.do("disk-attach", "--image", "data")
    second.until_seen("/dev/vda")
    assert second.reads("/dev/vda") == {"first": "was here", "moved": "twice"}
    second.writes("/dev/vda", "second", "as well")
    second.do("disk-detach", second.disk("vda"))
    assert file_in(catalogue.source("data"), "second") == "as well\n"
    sources = [catalogue.source(name) for name in ("data", "saved")]
    catalogue.run("oneimage", "delete", "data", "--wait")
    second.ends()
    catalogue.run("oneimage", "delete", "saved", "--wait")
    assert not any(source.exists() for source in sources)
    assert lab.has() == {}
