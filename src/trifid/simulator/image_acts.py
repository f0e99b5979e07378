"""What datastore drivers do with images when they are asked, and transfer drivers with the disks made of them.

They keep the contract of real ones: each verb may be done again, and ends in the same place.
"""

from collections.abc import Callable, Collection

from trifid.core.image.record import NO_IMAGE, Image, ImageState
from trifid.core.vm.transfer import COPY_SUFFIX
from trifid.drivers.tm.script import Command
from trifid.errors import DriverFault
from trifid.simulator.broken import Broken
from trifid.simulator.faults import Dice
from trifid.simulator.files import File, Missing
from trifid.simulator.hosts import Hosts
from trifid.simulator.plan import Plan, Undone, impossible
from trifid.wire import image_action
from trifid.wire.image_action import ImageActionData
from trifid.wire.lines import Message

SIZE_MIB = 10
"""Of everything that is imported."""
FOUND = f"{SIZE_MIB} raw"
"""What STAT tells of it."""
PART = ".part"
COPY = COPY_SUFFIX
"""What a hypervisor leaves beside a disk that it was told to copy."""

Operand = tuple[str, str]


class ImageActs:
    """Carries out requests of the family ds.

    Args:
        frontend: the machine that images lie on.
        datastores: directory of all datastores.
        image_at: returns the image, as it is durable, that lies at a path.
        users_of: returns the ids of the VMs whose durable records name an image.
    """

    def __init__(
        self,
        hosts: Hosts,
        dice: Dice,
        frontend: str,
        datastores: str,
        image_at: Callable[[str], Image | None],
        users_of: Callable[[int], Collection[int]],
    ) -> None:
        self._hosts, self._files, self._dice = hosts, hosts.files, dice
        self._frontend, self._datastores = frontend, datastores
        self._image_at, self._users_of = image_at, users_of
        self._verbs: dict[str, Callable[[ImageActionData], str]] = {
            "CP": self._make,
            "MKFS": self._make,
            "CLONE": self._clone,
            "RM": self._remove,
            "RESIZE": self._resize,
            "SNAP_DELETE": self._change,
            "SNAP_REVERT": self._change,
            "SNAP_FLATTEN": self._change,
        }

    def plan(self, message: Message) -> Plan:
        """Read what a request asks."""
        try:
            data = image_action.parse(message.payload)
        except DriverFault as fault:
            return impossible(str(fault))
        return Plan(data.step, lambda: self._act(message.type, data))

    def _act(self, verb: str, data: ImageActionData) -> str:
        if why := self._hosts.check_fence("ds", data.image_id, data.step):
            raise Undone(why)
        return self._verbs[verb](data)

    def _make(self, data: ImageActionData) -> str:
        if not self._files.has(self._frontend, data.source):
            if self._dice.strikes("half", 0.05):
                self._files.make_image(self._frontend, data.source + PART, data.image_id, is_whole=False)
                raise Undone("no space left on device")
            self._files.remove(self._frontend, data.source + PART)
            self._files.make_image(self._frontend, data.source, data.image_id)
        return f"{data.source} raw {data.size_mib or SIZE_MIB}"

    def _clone(self, data: ImageActionData) -> str:
        is_there = self._files.has(self._frontend, data.source)
        if not is_there and not self._files.has(self._frontend, data.clone_source):
            raise Undone(f"{data.clone_source} does not exist")
        return self._make(data)

    def _remove(self, data: ImageActionData) -> str:
        image = self._files.at(self._frontend, data.source)
        if image is not None:
            self._hosts.refuse_image_in_use(image, self._users_of(image.image_id))
        self._files.remove(self._frontend, data.source + PART)
        if self._dice.strikes("half", 0.05):
            raise Undone("input/output error")
        self._files.remove(self._frontend, data.source)
        return ""

    def _resize(self, data: ImageActionData) -> str:
        self._change(data)
        return str(data.size_mib)

    def _change(self, data: ImageActionData) -> str:
        image = self._files.at(self._frontend, data.source)
        if image is None:
            raise Broken(f"image {data.image_id} is to be changed, and {data.source} is not there")
        self._hosts.refuse_image_in_use(image, self._users_of(image.image_id))
        return ""

    # -- disks of VMs ----------------------------------------------------------------------------

    def source(self, operand: Operand, vm_id: int) -> File | None:
        """Return the image that a disk is made of; None when it is none of a datastore.

        Raises:
            Broken: it should be there, and is not.
            Missing: the same for a VM that was forgotten, which keeps no image from being deleted.
        """
        machine, path = operand
        if not path.startswith(f"{self._datastores}/"):
            return None
        image = self._files.at(machine, path)
        if image is None and vm_id in self._hosts.forgotten:
            raise Missing(f"{path} does not exist")
        if image is None:
            raise Broken(f"vm {vm_id}: a disk is to be made of {path}, which is not there")
        return image

    def bring_back(self, command: Command, disk: Operand, target: Operand) -> None:
        """MVDS: a persistent image is what its disk became."""
        if command.vm_id in self._hosts.forgotten:
            raise Undone(f"vm {command.vm_id} was forgotten")
        if self._files.place(*disk) != self._files.place(*target):
            self._hosts.refuse_in_use(*disk)
        self._files.bring_back(disk, target)

    def save_as(self, step: int, disk: Operand, target: Operand) -> None:
        """CPDS: a disk, or the copy that its hypervisor made, becomes an image; a copy, also beside a disk, is removed.

        An image that nobody waits for any more may be made of anything.
        """
        is_copy, image = disk[1].endswith(COPY), self._image_at(target[1])
        is_awaited = image is not None and image.state is ImageState.LOCKED
        try:
            if self._files.has(*target):
                return
            if (made := self._files.at(*disk)) is None:
                raise Missing(f"{disk[0]}:{disk[1]} does not exist")
            if is_awaited and not is_copy:
                self._hosts.refuse_in_use(*disk)
            elif is_awaited and made.step != step - 1:
                raise Broken(f"{target[1]} is made of an old copy, {disk[1]} of step {made.step} in step {step}")
            self._files.make_image(*target, image.id if image else NO_IMAGE)
        finally:
            self._files.remove(disk[0], disk[1] if is_copy else disk[1] + COPY)
