"""Who uses an image, and what its state looks like from outside."""

import pytest

from tests.core.image.builders import image
from tests.core.vm.builders import vm
from trifid.core.image.record import ImageState
from trifid.core.image.uses import images_of, shown_state
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
