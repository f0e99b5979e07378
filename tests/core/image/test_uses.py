"""Who uses an image, and what its state looks like from outside."""

import pytest

from tests.core.image.builders import image
from tests.core.vm.builders import vm
from trifid.core.image.record import ImageState
from trifid.core.image.uses import Room, images_of, is_being_made, shown_state
from trifid.core.template.model import template
from trifid.core.vm.record import UsedFile
from trifid.core.vm.states import VmState

S = ImageState


def test_a_vm_uses_the_images_of_its_disks_and_its_files():
    disks = [{"DISK_ID": "0", "IMAGE_ID": "5"}, {"DISK_ID": "1", "TYPE": "FS"}, {"DISK_ID": "2", "IMAGE_ID": "5"}]
    files = (UsedFile("kernel", 8, "/ds/2/abc", "vmlinuz"),)
    assert images_of(vm(VmState.RUNNING, template=template(DISK=disks), files=files)) == {5, 8}


def test_a_vm_that_is_done_uses_nothing():
    assert images_of(vm(VmState.DONE, template=template(DISK={"DISK_ID": "0", "IMAGE_ID": "5"}))) == frozenset()


@pytest.mark.parametrize(
    ("stored", "is_persistent", "users", "clones", "shown"),
    [
        (S.READY, False, 0, 0, S.READY),
        (S.READY, False, 2, 0, S.USED),
        (S.READY, True, 1, 0, S.USED_PERS),
        (S.READY, False, 0, 1, S.CLONE),
        (S.READY, False, 1, 1, S.USED),
        (S.LOCKED, False, 0, 0, S.LOCKED),
        (S.LOCKED, False, 1, 0, S.LOCKED_USED),
        (S.LOCKED, True, 1, 0, S.LOCKED_USED_PERS),
        (S.ERROR, False, 1, 0, S.ERROR),
        (S.DELETE, False, 0, 0, S.DELETE),
        (S.DISABLED, False, 0, 1, S.DISABLED),
    ],
)
def test_what_clients_see_of_a_state(stored, is_persistent, users, clones, shown):
    assert shown_state(image(stored, is_persistent=is_persistent), users, clones) is shown


@pytest.mark.parametrize(
    ("fields", "is_made"),
    [
        ({"state": S.LOCKED, "step": 1}, True),
        ({"state": S.LOCKED, "step": 0, "saved_from": 7}, True),
        ({"state": S.LOCKED, "step": 3}, False),
        ({"state": S.READY, "step": 1}, False),
        ({"state": S.ERROR, "step": 2}, False),
    ],
    ids=["imported", "saved from a VM", "resized", "of an administrator", "failed"],
)
def test_an_image_is_being_made_in_its_first_step_and_while_it_is_saved(fields, is_made):
    assert is_being_made(image(**fields)) is is_made


def test_the_room_of_images_tells_what_is_still_to_come():
    there, coming = image(state=S.READY, step=2, size_mib=10), image(state=S.LOCKED, step=1, size_mib=5)
    both = Room().plus(there, 1).plus(coming, 1)
    assert both == Room(images_mib=15, coming_mib=5)
    assert both.plus(coming, -1).and_also(Room(1, 1)) == Room(images_mib=11, coming_mib=1)
