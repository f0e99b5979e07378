"""What a VM's disks are where it runs, as hypervisor drivers are told."""

import pytest
from msgspec.structs import replace

from tests.core.vm.builders import stay, vm
from trifid.core.template.model import Template
from trifid.core.vm.placed import for_drivers
from trifid.core.vm.states import VmState as S

OURS, BEFORE = f"/datastores/1/{'0123456789abcdef' * 2}", "/srv/images/etch.img"


def seen(tm: str, **disk: str) -> dict[str, str]:
    """Return a DISK of an image as a hypervisor driver sees it under a transfer driver."""
    whole = {"DISK_ID": "0", "TYPE": "DISK", "IMAGE_ID": "3", "CLONE": "YES", "DRIVER": "raw", "SOURCE": OURS, **disk}
    machine = vm(S.RUNNING, template=Template((("DISK", whole),)), history=(replace(stay(), tm=tm),))
    return for_drivers(machine).template.vector("DISK")


def test_a_clone_of_an_image_is_a_layer_over_it():
    disk = seen("qcow2")
    assert (disk["DRIVER"], disk["BACKING_SOURCE"], disk["BACKING_FORMAT"]) == ("qcow2", OURS, "raw")


@pytest.mark.parametrize(
    ("tm", "disk"),
    [("shared", {}), ("qcow2", {"CLONE": "NO"}), ("qcow2", {"IMAGE_ID": ""}), ("qcow2", {"SOURCE": BEFORE})],
    ids=["elsewhere", "in place", "no image", "an image that was there before the catalogue"],
)
def test_what_the_transfer_driver_copies_or_links_is_of_its_own_format(tm, disk):
    assert (seen(tm, **disk)["DRIVER"], "BACKING_SOURCE" in seen(tm, **disk)) == ("raw", False)
