"""What an image tells the disks that are made of it."""

import pytest

from tests.core.image.builders import image
from trifid.core.image.disks import disk_from
from trifid.core.template.model import template


def made(disk: dict[str, str], **told: str) -> dict[str, str]:
    """A disk of an image with these attributes."""
    return disk_from(disk, image(template=template(**told)), owner="alice", datastore="default")


def test_an_image_tells_how_its_disks_are_to_be_seen_unless_they_say_so_themselves() -> None:
    told = {"CACHE": "none", "IO": "native", "DISCARD": "unmap", "BUS": "scsi", "TARGET": "sdc"}
    assert made({}, **told).items() >= told.items()
    assert made({"CACHE": "writeback"}, **told)["CACHE"] == "writeback"


@pytest.mark.parametrize("disk", [{"TARGET": "vdb"}, {"DEV_PREFIX": "vd"}, {"BUS": "virtio"}])
def test_who_chooses_the_device_of_a_disk_is_not_given_another(disk: dict[str, str]) -> None:
    assert made(disk, TARGET="hda").get("TARGET", "") == disk.get("TARGET", "")
