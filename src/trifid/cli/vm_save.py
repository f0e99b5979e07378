"""`onevm save`: a VM template out of a VM, with images of its disks as they are now."""

from typing import TYPE_CHECKING, Any

from trifid.cli.command import Given
from trifid.cli.courses import IMAGE_COURSE
from trifid.cli.failure import Failure
from trifid.cli.follow import Follower, Goal, state_of
from trifid.cli.kinds import IMAGE, VM, VM_TEMPLATE
from trifid.cli.listing import template_text
from trifid.cli.settle import wait_for
from trifid.cli.shell import Shell

if TYPE_CHECKING:
    from trifid.core.template.model import Template, Value

_AT_REST = "POWEROFF"
_PRESENT_STATE = -1
_CAPACITY = ("CPU", "VCPU", "MEMORY")
_OF_ANY_DISK = ("DEV_PREFIX", "CACHE", "DISCARD", "IO")
_OF_VOLATILE = ("TYPE", "SIZE", "FORMAT", "FS", *_OF_ANY_DISK)
_OF_NIC = ("NETWORK_ID", "MODEL", "SECURITY_GROUPS")


def save(shell: Shell, given: Given) -> None:
    """Run `onevm save`."""
    from trifid.core.template.scanner import parse, render

    vm = shell.one(VM, given.vm)
    source_id = (vm.get("TEMPLATE") or {}).get("TEMPLATE_ID", "")
    if state_of(vm) != _AT_REST:
        look = "its disks would be of different moments"
        raise Failure(f"VM {given.vm} is {state_of(vm)}: {look}", f'"onevm poweroff {given.vm} --wait" first')
    if not source_id.isdecimal():
        raise Failure(f"VM {given.vm} was not made of a VM template", "onevm disk-saveas makes images of its disks")
    source = parse(template_text(shell.one(VM_TEMPLATE, int(source_id)).get("TEMPLATE")))
    images, disks = _saved(shell, vm, given)
    if given.persistent and images:
        wait_for(shell, IMAGE_COURSE, images, Given({**vars(given), "wait": True}))
        for image_id in images:
            shell.attempt(IMAGE, image_id, "one.image.persistent", image_id, True)
    template = _template(source, vm, disks, given.name)
    shell.made(VM_TEMPLATE, shell.call("one.template.allocate", render(template)), "Template ID")
    wait_for(shell, IMAGE_COURSE, images, given)


def _saved(shell: Shell, vm: dict[str, Any], given: Given) -> tuple[list[int], "list[Value]"]:
    """Make images of the disks, one after the other; return them, and the disks of the new template.

    Raises:
        Failure: a disk could not be saved; images that were made until then stay, and are told.
    """
    images: list[int] = []
    disks: list[Value] = []
    for disk in _vectors(vm, "DISK"):
        if not disk.get("IMAGE_ID"):
            disks.append(_kept(disk, _OF_VOLATILE))
            continue
        image_id = int(disk["IMAGE_ID"])
        if disk.get("TYPE", "").upper() != "CDROM":
            follower = Follower(shell)
            name = f"{given.name}-disk-{disk['DISK_ID']}"
            image_id = shell.call("one.vm.disksaveas", given.vm, int(disk["DISK_ID"]), name, "", _PRESENT_STATE)
            shell.made(IMAGE, image_id, "Image ID")
            images.append(image_id)
            # One disk at a time: the VM is busy meanwhile.
            follower.until([given.vm], Goal(_AT_REST), given.timeout)
            if shell.is_failed:
                raise Failure(f"disk {disk['DISK_ID']} of VM {given.vm} was not saved", "no VM template was made")
        disks.append({**_kept(disk, _OF_ANY_DISK), "IMAGE_ID": str(image_id)})
    return images, disks


def _template(source: "Template", vm: dict[str, Any], disks: "list[Value]", name: str) -> "Template":
    """Return the template that the VM was made of, with its capacity, its disks and its networks."""
    body = vm.get("TEMPLATE") or {}
    nics = [_kept(nic, _OF_NIC) for nic in _vectors(vm, "NIC")]
    changed = source.replacing("DISK", *disks).replacing("NIC", *nics)
    for key, value in (*((key, body.get(key)) for key in _CAPACITY), ("NAME", name)):
        if value:
            changed = changed.replacing(key, value)
    return changed


def _kept(vector: dict[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: vector[name] for name in names if vector.get(name)}


def _vectors(vm: dict[str, Any], name: str) -> list[dict[str, str]]:
    from trifid.wire.elements import several

    return [one for one in several((vm.get("TEMPLATE") or {}).get(name)) if isinstance(one, dict)]
