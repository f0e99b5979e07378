"""What must hold of images: after every step, at rest, and when everything has been deleted."""

from collections import Counter, defaultdict

from trifid.core.image.life import CHANGES, MAKES, REMOVES
from trifid.core.image.record import NO_IMAGE, NO_VM, Image, ImageState
from trifid.core.image.uses import images_of
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState as S
from trifid.engine.memory import Memory
from trifid.simulator.broken import Broken
from trifid.simulator.hosts import Hosts
from trifid.simulator.image_acts import PART

WAITING = (S.CLONING, S.CLONING_HELD)
_WITHOUT = (*WAITING, S.CLONING_FAILURE)
"""VMs in these have no disk yet, so that an image of theirs may be in any state but DELETE."""
_COMES_WITH_VM, _COMES_ALONE = (S.PENDING, S.HOLD), (S.HOTPLUG, S.HOTPLUG_PROLOG_POWEROFF)
_VERBS = {ImageState.LOCKED: (*MAKES, *CHANGES), ImageState.DELETE: (REMOVES,)}


def check_image(memory: Memory, image: Image) -> None:
    """Check one image of which something changed, or one of whose VMs did."""
    name = f"image {image.id} in {image.state.name}"
    action = memory.image_actions.get(image.id)
    if action is not None and action.step != image.step:
        raise Broken(f"{name}: its action has step {action.step}, it has step {image.step}")
    if action is not None and action.verb not in _VERBS.get(image.state, ()):
        raise Broken(f"{name}: its driver is asked for {action.verb}")
    if action is None and image.state is ImageState.DELETE:
        raise Broken(f"{name}: it waits for a driver that is asked nothing")
    if action is None and image.state is ImageState.LOCKED:
        _check_saving(memory, image, name)
    if image.state not in _VERBS and (image.saved_from != NO_VM or image.cloning_id != NO_IMAGE):
        raise Broken(f"{name}: it is whole, and yet saved from {image.saved_from}, cloned from {image.cloning_id}")
    if image.state is ImageState.DELETE and memory.clones_of.get(image.id):
        raise Broken(f"{name}: it is deleted while it is cloned as images {sorted(memory.clones_of[image.id])}")
    users = [memory.vms[vm_id] for vm_id in sorted(memory.image_users.get(image.id, ()))]
    _check_users(image, users, name)
    if memory.owned.get(("images", image.uid, image.name)) != image.id:
        raise Broken(f"{name}: user {image.uid} has another image named {image.name}")
    if image.datastore_id not in memory.datastores:
        raise Broken(f"{name}: its datastore {image.datastore_id} does not exist")


def _check_saving(memory: Memory, image: Image, name: str) -> None:
    vm = memory.vms.get(image.saved_from)
    marks = [disk.get("SAVEAS_IMAGE") for disk in vm.template.vectors("DISK")] if vm else []
    if str(image.id) not in marks or vm is None or not vm.state.name.startswith("HOTPLUG_SAVEAS"):
        state = vm.state.name if vm else "gone"
        raise Broken(f"{name}: it waits for vm {image.saved_from}, which is {state} and saves {marks}")


def _check_users(image: Image, users: list[VM], name: str) -> None:
    ids = [vm.id for vm in users]
    if image.is_persistent and len(users) > 1:
        raise Broken(f"{name}: it is persistent and given to vms {ids}")
    if image.state is ImageState.DELETE and users:
        raise Broken(f"{name}: it is deleted while vms {ids} use it")
    if image.state is not ImageState.READY:
        for vm in users:
            if vm.state not in _WITHOUT:
                raise Broken(f"{name}: vm {vm.id} in {vm.state.name} has a disk made of it")


def check_waiting(memory: Memory, vm: VM) -> None:
    """Check that a VM that waits for images has one to wait for, and that no image of a VM is gone."""
    images = [memory.images.get(image_id) for image_id in sorted(images_of(vm))]
    if None in images:
        raise Broken(f"vm {vm.id} in {vm.state.name}: its images {sorted(images_of(vm))} are not all there")
    if vm.state in WAITING and not any(image and image.state is ImageState.LOCKED for image in images):
        raise Broken(f"vm {vm.id} in {vm.state.name}: it waits for images, none is being made")
    for image in images:
        if image is not None:
            check_image(memory, image)
    _check_brought(memory, vm)


def _check_brought(memory: Memory, vm: VM) -> None:
    """Check that a disk that is a persistent image has the image's snapshots when it comes."""
    for disk in vm.template.vectors("DISK"):
        is_coming = vm.state in _COMES_WITH_VM or (vm.state in _COMES_ALONE and disk.get("ATTACH") == "YES")
        if not is_coming or disk.get("PERSISTENT") != "YES":
            continue
        brought = next((of.snapshots for of in vm.disk_snapshots if str(of.disk_id) == disk["DISK_ID"]), ())
        image = memory.images[int(disk["IMAGE_ID"])]
        if [one.id for one in brought] != [one.id for one in image.snapshots.snapshots]:
            raise Broken(
                f"vm {vm.id} in {vm.state.name}: its disk {disk['DISK_ID']} has not the snapshots of {image.id}"
            )


def check_catalogue(memory: Memory) -> None:
    """Check what is derived of many: users, clones, names."""
    users: dict[int, set[int]] = defaultdict(set)
    for vm in memory.vms.values():
        for image_id in images_of(vm):
            users[image_id].add(vm.id)
    if users != memory.image_users:
        raise Broken(f"images are used by vms {dict(users)}, and are said to be by {dict(memory.image_users)}")
    clones: dict[int, set[int]] = defaultdict(set)
    for image in memory.images.values():
        if image.cloning_id != NO_IMAGE:
            clones[image.cloning_id].add(image.id)
        check_image(memory, image)
    if clones != memory.clones_of:
        raise Broken(f"clones are made: {dict(clones)}, and are said to be: {dict(memory.clones_of)}")
    for image_id in (*memory.image_actions, *users, *clones):
        if image_id not in memory.images:
            raise Broken(f"image {image_id} is gone, and a driver, a VM or a clone still needs it")
    names = Counter((image.uid, image.name) for image in memory.images.values())
    if names and max(names.values()) > 1:
        raise Broken(f"an owner has two images of one name: {names.most_common(1)}")


def check_images_at_rest(memory: Memory, hosts: Hosts, frontend: str) -> None:
    """Check that no image is being made or removed, and that what is whole is there, with its snapshots."""
    for image in memory.images.values():
        if image.state in _VERBS:
            raise Broken(f"image {image.id} is stuck in {image.state.name}, nothing has gone wrong for a while")
        file = hosts.files.at(frontend, image.source)
        if image.state is ImageState.ERROR:
            continue
        if file is None or file.image_id != image.id:
            raise Broken(f"image {image.id} is {image.state.name}, and {image.source} is not there")
        if hosts.files.has(frontend, image.source + PART):
            raise Broken(f"image {image.id} is {image.state.name}, and {image.source + PART} is still there")
        unknown = {one.id for one in image.snapshots.snapshots} - file.snapshots
        if unknown:
            raise Broken(f"image {image.id} has snapshots {sorted(unknown)}, its file has {sorted(file.snapshots)}")


def check_promised(
    durable_images: dict[int, Image], names: dict[int, str], asked: set[int], acknowledged: set[int]
) -> None:
    """Check that images that were acknowledged are there, under their names, and deleted ones are not.

    Args:
        names: of acknowledged images; empty when it is not known.
        asked, acknowledged: those whose deletion was asked for, and was acknowledged.
    """
    for image_id, name in names.items():
        image = durable_images.get(image_id)
        if image is None and image_id not in asked:
            raise Broken(f"image {image_id} was acknowledged and is nowhere")
        if image is not None and name and image.name != name:
            raise Broken(f"image {image_id} was named {name}, which was acknowledged, and is {image.name}")
    for image_id in acknowledged:
        image = durable_images.get(image_id)
        if image is not None and image.state not in (ImageState.DELETE, ImageState.ERROR):
            raise Broken(f"the deletion of image {image_id} was acknowledged, and it is {image.state.name}")
