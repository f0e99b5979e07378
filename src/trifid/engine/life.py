"""Carrying out a VM's step inside a draft: record, outbox row, leases, journal, together.

The only code of the engine that calls `step`; methods, driver answers and monitoring all come here.
"""

import re

from msgspec.structs import replace

from trifid.core.access import ENGINE
from trifid.core.image.disks import contents_of
from trifid.core.image.life import saved
from trifid.core.image.record import Image, ImageState
from trifid.core.image.uses import images_of
from trifid.core.network.address import format_mac
from trifid.core.template.model import Template
from trifid.core.vm.effects import Moment
from trifid.core.vm.events import (
    Done,
    Event,
    Failed,
    HostFenced,
    HostFencedAnew,
    ImagesGone,
    ImagesThere,
    Request,
    SeenOff,
    SeenPaused,
    SourceFenced,
)
from trifid.core.vm.files import UNSHARED
from trifid.core.vm.record import VM, DiskSnapshots
from trifid.core.vm.states import VmState
from trifid.core.vm.step import step
from trifid.engine.host_devices import with_free_devices
from trifid.engine.transaction import Draft
from trifid.engine.used_images import disks_of_images, snapshots_of_images
from trifid.errors import BadTemplate

_WITH_REASON = Failed | ImagesGone | SeenOff | SeenPaused | HostFenced | HostFencedAnew | SourceFenced
_SIZE = re.compile(r"SIZE=([0-9]{1,12})", re.ASCII)


def happen(draft: Draft, vm: VM, event: Event, moment: Moment | None = None) -> VM:
    """Return the VM after `event`; write all that follows from it into `draft`.

    Raises:
        Refused: a request that the VM's state does not allow.
    """
    moment = moment or Moment(draft.now, ENGINE)
    outcome = step(vm, event, moment)
    if outcome.ignored:
        return vm
    after = with_free_devices(draft, vm, outcome.vm, event)
    _tell_persistent_images(draft, vm, after)
    if after.state in _NOT_YET_RUN:
        template = _with_sizes_of_images(draft, after.template)
        after = replace(after, template=template, disk_snapshots=snapshots_of_images(draft, template))
    draft.put(after)
    draft.set_action(vm.id, outcome.action)
    if outcome.releases_leases:
        _release_leases(draft, after)
    _settle_saved_images(draft, vm, after, event)
    draft.note("VM", vm.id, moment.caller, "state", vm.state.name, after.state.name, _text(event, vm, after))
    return after


def _release_leases(draft: Draft, vm: VM) -> None:
    """Give back all leases of a VM that is DONE, else those of NICs that it no longer has."""
    nics = [] if vm.state is VmState.DONE else vm.template.vectors("NIC")
    kept = {(nic.get("NETWORK_ID"), nic.get("MAC")) for nic in nics}
    for lease in draft.leases_of(vm.id):
        if (str(lease.network_id), format_mac(lease.mac)) not in kept:
            draft.delete("leases", lease.key)


# -- images --------------------------------------------------------------------------------------------


def images_settled(draft: Draft, image_id: int) -> None:
    """Let the VMs that wait for an image go on: it is there, or it could not be made."""
    for vm_id in sorted(draft.image_users(image_id)):
        vm = draft.vm(vm_id)
        news = _news(draft, vm) if vm.state in _WAITING else None
        if news is not None:
            happen(draft, vm, news)


_WRITES_BACK = (VmState.EPILOG, VmState.HOTPLUG_EPILOG, VmState.HOTPLUG_EPILOG_POWEROFF)
"""Where disks that are copies go back to their persistent images; after a mere clean-up these are as they were."""
_WAITING = (VmState.CLONING, VmState.CLONING_HELD)
_NOT_YET_RUN = (VmState.PENDING, VmState.HOLD)
"""Where disks are as their images are now: they were waited for, or the VM begins anew."""


def _news(draft: Draft, vm: VM) -> ImagesThere | ImagesGone | None:
    """Return what can be told a VM of the images that it waits for, None while it must wait."""
    disks = {disk["DISK_ID"]: disk for disk in vm.template.vectors("DISK")}
    waits = False
    for disk, image in disks_of_images(draft, vm.template):
        if image.state not in (ImageState.LOCKED, ImageState.READY):
            return ImagesGone(why=f"image {image.name} [{image.id}] is {image.state.name}, see its ERROR")
        waits = waits or image.state is ImageState.LOCKED
        try:
            disks[disk["DISK_ID"]] = disk | contents_of(disk, image)
        except BadTemplate as bad:
            return ImagesGone(why=f"DISK {disk['DISK_ID']}: {bad.message}")
    for file in vm.files:
        of_file = draft.find_image(file.image_id)
        if of_file is None or of_file.state not in (ImageState.LOCKED, ImageState.READY):
            return ImagesGone(why=f"file {file.name} [{file.image_id}] cannot be used any more")
        waits = waits or of_file.state is ImageState.LOCKED
    return None if waits else ImagesThere(disks=tuple(disks.values()))


def _settle_saved_images(draft: Draft, before: VM, after: VM, event: Event) -> None:
    """Tell images that disks were to be saved as what came of it: their marks are gone once that is decided."""
    still = {disk.get("SAVEAS_IMAGE") for disk in after.template.vectors("DISK")}
    for disk in before.template.vectors("DISK"):
        number = disk.get("SAVEAS_IMAGE", "")
        image = draft.find_image(int(number)) if number and number not in still else None
        if image is None:
            continue
        why = _why_not_saved(before, event)
        draft.put(saved(image, not why, draft.now, size_mib=_size_told(image, event), why=why))
        draft.note("IMAGE", image.id, ENGINE, "state", image.state.name, draft.image(image.id).state.name, why)
        images_settled(draft, image.id)


def _size_told(image: Image, event: Event) -> int:
    """Return the size in MiB that a transfer driver tells of a saved disk (`SIZE=MIB`), 0 for none.

    A disk that names its SOURCE needs no SIZE, so that the engine may not know it.  What is told is that of the file,
    which is the disk's size when the image is raw.
    """
    told = _SIZE.fullmatch(event.info) if isinstance(event, Done) and image.format == "raw" else None
    return int(told[1]) if told else 0


def _why_not_saved(vm: VM, event: Event) -> str:
    """Return why a disk did not become an image; empty when it did."""
    if isinstance(event, Failed):
        return event.why or "the driver gave no reason"
    return "" if isinstance(event, Done) else f"VM {vm.id} went on without: {type(event).__name__}"


def _tell_persistent_images(draft: Draft, before: VM, after: VM) -> None:
    """Write down what a VM leaves in persistent images that it does not use any more, or is made anew with.

    What it used in place is as it left it, however it ended; a copy of its own counts once it was brought back.
    """
    if not before.history or before.state in _NOT_YET_RUN:
        return
    is_made_anew = after.state in _NOT_YET_RUN
    is_told = before.state in _WRITES_BACK or before.current.tm not in UNSHARED
    left = images_of(before) - (frozenset() if is_made_anew else images_of(after))
    for disk, image in disks_of_images(draft, before.template):
        if image.id in left and image.is_persistent:
            of = next((of for of in before.disk_snapshots if str(of.disk_id) == disk["DISK_ID"]), DiskSnapshots(0))
            draft.put(_as_left(image, disk, of, draft.now) if is_told else _numbered_on(image, of.next_id))


def _with_sizes_of_images(draft: Draft, template: Template) -> Template:
    """Return a template whose disks know how large their persistent images are now: these may have grown with them."""
    sizes = {
        disk["DISK_ID"]: {"ORIGINAL_SIZE": str(image.size_mib)}
        for disk, image in disks_of_images(draft, template)
        if image.is_persistent and disk.get("ORIGINAL_SIZE", "") not in ("", str(image.size_mib))
    }
    if not sizes:
        return template
    return template.replacing("DISK", *(disk | sizes.get(disk["DISK_ID"], {}) for disk in template.vectors("DISK")))


def _as_left(image: Image, disk: dict[str, str], of: DiskSnapshots, now: int) -> Image:
    """Return an image that is what a disk became."""
    kept = tuple(replace(one, pending="") for one in of.snapshots if one.pending != "create")
    size = disk.get("SIZE", "") if "GROW" not in disk and disk.get("RESIZE") != "YES" else ""
    size_mib = max(image.size_mib, int(size) if size.isdecimal() else 0)
    told = replace(image, modtime=now, size_mib=size_mib, snapshots=replace(of, disk_id=0, snapshots=kept))
    return _numbered_on(told, image.snapshots.next_id)


def _numbered_on(image: Image, next_id: int) -> Image:
    """Return an image that gives no snapshot a number again: drivers take one that is there for made already."""
    return replace(image, snapshots=replace(image.snapshots, next_id=max(next_id, image.snapshots.next_id)))


def _text(event: Event, before: VM, after: VM) -> str:
    """Return what the journal says beside the states: why it is so, or what was asked where its users see no change."""
    if isinstance(event, _WITH_REASON):
        return event.why
    if isinstance(event, Request) and after.state.printable == before.state.printable:
        return event.word
    return ""
