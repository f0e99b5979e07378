"""Guests that move while they run, between two hosts that share nothing: their disks come along, or they stay.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.catalogue import template
from tests.lab.conftest import Guest
from tests.lab.unshared import Lab, unshared_lab

pytestmark = pytest.mark.timeout(400)

DISKS = 'DISK = [ IMAGE = "root" ]\nDISK = [ TYPE = FS, FS = ext4, SIZE = 64, TARGET = "vda" ]'


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, bridge: str, guest: Guest) -> Iterator[Lab]:
    """Two hosts."""
    with unshared_lab(tmp_path_factory.mktemp("lab"), guest) as started:
        yield started


def test_disks_come_along_with_all_that_was_written(lab: Lab) -> None:
    machine = lab.deployed(template("traveller", DISKS), "host-a")
    machine.does("mkdir -p /run/d; mount -t ext4 /dev/vda /run/d; dd if=/dev/urandom of=/run/d/x bs=1M count=20; sync")
    before = machine.does("sha256sum /run/d/x; cat /proc/sys/kernel/random/boot_id; echo mine > /left; sync")
    machine.do("migrate", "host-b", "--live")
    lab.until_only_on(machine, "host-b")
    print(lab.catalogue.run("onevm", "log", str(machine.id)))
    after = machine.does(
        "echo 3 > /proc/sys/vm/drop_caches; sha256sum /run/d/x; cat /proc/sys/kernel/random/boot_id; cat /left"
    )
    assert after == before + "mine\n"
    print(lab.files_of(machine, "host-b"))
    machine.ends()
    assert lab.has() == {}
