"""From what a user wrote to what the engine acts upon: validated, divided, numbered, with targets.

Source: reference/templates.md §2, §2.1, §2.2.
"""

from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from trifid.core.image.disks import ENGINES_OWN
from trifid.core.network.auto import check_auto, is_auto
from trifid.core.template.attributes import KEYS, TEMPLATE, USER_TEMPLATE, place_of
from trifid.core.template.cloud_init import seed_target, wants_seed
from trifid.core.template.hardware import check_hardware
from trifid.core.template.model import Template, Value
from trifid.core.template.validate import check_values, misspelt, validate
from trifid.core.vm.record import Needs
from trifid.errors import BadTemplate

DEVICE_PREFIX = "sd"
CDROM_PREFIX = "hd"
_PREFIX_OF_BUS = {"VIRTIO": "vd", "IDE": "hd", "SCSI": "sd", "SATA": "sd", "USB": "sd", "XEN": "xvd", "FDC": "fd"}
_VOLATILE = ("SWAP", "FS")
_CONNECTIONS = ("NETWORK", "NETWORK_ID", "BRIDGE", "SCRIPT")
"""Keys of a NIC that connect it to something; a SCRIPT does it on the host."""

Vector = dict[str, str]
DiskOfImage = Callable[[Vector], Vector]
"""Completes a DISK that names an image; raises BadTemplate."""


def no_images(disk: Vector) -> Vector:
    """Refuse a DISK that names an image, where there is no catalogue; raises BadTemplate."""
    raise BadTemplate("there are no images here: name a file with SOURCE")


class Prepared(msgspec.Struct, frozen=True):
    """A template ready to become a VM.

    Attributes:
        name: empty when the user gave none.
        template: for the engine and the drivers; every DISK has DISK_ID, TYPE, TARGET, CLONE, SAVE
            and READONLY, every NIC its NIC_ID, CONTEXT its DISK_ID and TARGET.
        user_template: everything else that the user wrote.
    """

    name: str
    needs: Needs
    template: Template
    user_template: Template


def prepare(
    template: Template, *, disk_of_image: DiskOfImage = no_images, device_prefix: str = DEVICE_PREFIX
) -> Prepared:
    """Return a submitted template validated, divided and filled in.

    What only the engine writes (VMID, AUTOMATIC_REQUIREMENTS, ERROR …) is dropped.

    Args:
        disk_of_image: completes the disks that name an image.
        device_prefix: of disks whose bus does not tell another.

    Raises:
        BadTemplate: a value is wrong or does not go with others, two devices have one target, a disk has no
            contents, or a NIC is connected to nothing.
    """
    validate(template)
    check_hardware(template)
    template = Template(tuple(pair for pair in template if pair != ("CONTEXT", {})))
    disks = [_disk(number, disk, disk_of_image) for number, disk in enumerate(template.vectors("DISK"))]
    context = [{**vector, "DISK_ID": str(len(disks))} for vector in template.vectors("CONTEXT")[:1]]
    disks, context = _with_targets(disks, context, device_prefix)
    context = [_with_seed(one, disks) for one in context]
    filled: dict[str, Iterator[Vector]] = {
        "DISK": iter(disks),
        "CONTEXT": iter(context),
        "NIC": iter([_nic(number, nic) for number, nic in enumerate(template.vectors("NIC"))]),
    }
    pairs: list[tuple[str, Value]] = [
        (attribute, next(filled[attribute]) if attribute in filled else value)
        for attribute, value in template
        if place_of(attribute) == TEMPLATE
    ]
    return Prepared(
        name=template.single("NAME").strip(),
        needs=needs_of(template),
        template=Template(tuple(pairs)),
        user_template=Template(tuple(pair for pair in template if place_of(pair[0]) == USER_TEMPLATE)),
    )


def one_more_disk(
    disk: Vector,
    present: Template,
    *,
    next_id: int = 0,
    disk_of_image: DiskOfImage = no_images,
    device_prefix: str = DEVICE_PREFIX,
) -> Vector:
    """Return a DISK for a VM that exists: validated, with a DISK_ID never given before and a TARGET that nothing has.

    Args:
        present: the VM's template.
        next_id: the lowest DISK_ID that was never given.
        disk_of_image: completes a disk that names an image.

    Raises:
        BadTemplate: as `prepare` does.
    """
    check_values(Template((("DISK", disk),)))
    others = [*present.vectors("DISK"), *present.vectors("CONTEXT")]
    made = _disk(max(next_id, _next_id("DISK_ID", others)), disk, disk_of_image)
    taken = {one["TARGET"]: f"DISK {one.get('DISK_ID', '')}" for one in others if one.get("TARGET")}
    if seed := present.vector("CONTEXT").get("CIDATA_TARGET"):
        taken[seed] = "the CD for cloud-init"
    if (target := made.get("TARGET")) in taken:
        raise BadTemplate(f"DISK: TARGET {target} is already taken by {taken[target]}, choose another")
    return made if target else {**made, "TARGET": _free_target(made, taken, device_prefix)}


def one_more_nic(nic: Vector, present: Template) -> Vector:
    """Return a NIC for a VM that exists: validated, with the next free NIC_ID; it has no lease yet.

    Raises:
        BadTemplate: as `prepare` does.
    """
    check_values(Template((("NIC", nic),)))
    return _nic(_next_id("NIC_ID", present.vectors("NIC")), nic)


def _next_id(key: str, vectors: list[Vector]) -> int:
    return 1 + max((int(one[key]) for one in vectors if one.get(key, "").isdigit()), default=-1)


def needs_of(template: Template) -> Needs:
    """Return the capacity that a validated template asks: CPU × 100 rounded, at least 1, and MEMORY."""
    percent = (Decimal(template.single("CPU")) * 100).quantize(Decimal(1), ROUND_HALF_UP)
    return Needs(cpu_percent=max(1, int(percent)), memory_mib=int(template.single("MEMORY")))


def _disk(number: int, disk: Vector, disk_of_image: DiskOfImage) -> Vector:
    """Return a DISK with its number and defaults; TARGET is chosen later, when all disks are known."""
    where = f"DISK {number}"
    disk = {key: value for key, value in disk.items() if key not in ENGINES_OWN}
    if disk.get("IMAGE") or disk.get("IMAGE_ID"):
        try:
            disk = disk_of_image(disk)
        except BadTemplate as bad:
            raise BadTemplate(f"{where}: {bad.message}") from bad
    kind = disk.get("TYPE", "").upper()
    source = disk.get("SOURCE")
    if not kind and not source:
        raise _lacking(
            "DISK",
            number,
            disk,
            "Unknown disk type : name an IMAGE or a file with SOURCE, or make one with TYPE swap or fs",
        )
    kind = "DISK" if kind in ("", "FILE") else kind
    if kind in _VOLATILE and source:
        raise BadTemplate(f"{where}: TYPE {kind} is made on the host and takes no SOURCE, remove one of them")
    if kind in _VOLATILE and not disk.get("SIZE"):
        raise _lacking("DISK", number, disk, "SIZE attribute must be a positive integer value. It is missing: give MiB")
    if kind in _VOLATILE and "qcow2" in (disk.get("FORMAT", "").lower(), disk.get("DRIVER", "").lower()):
        disk = {**disk, "DRIVER": "raw"}  # many clients ask for qcow2; it is made as raw, and DRIVER is what counts
    if kind not in _VOLATILE and not source:
        raise _lacking("DISK", number, disk, f"SOURCE is missing, TYPE {kind} needs the path of an image")
    filled = {**disk, "DISK_ID": str(number), "TYPE": kind}
    for key, default in (("READONLY", "YES" if kind == "CDROM" else "NO"), ("CLONE", "YES"), ("SAVE", "NO")):
        filled[key] = (disk.get(key) or default).upper()
    return filled


def _nic(number: int, nic: Vector) -> Vector:
    if is_auto(nic):
        check_auto(nic, f"NIC {number}")
    elif not any(nic.get(key) for key in _CONNECTIONS):
        nothing = "it is connected to nothing: name a NETWORK, or as an administrator a BRIDGE of the hosts"
        raise _lacking("NIC", number, nic, nothing)
    return {**nic, "NIC_ID": str(number)}


def _lacking(name: str, number: int, vector: Vector, text: str) -> BadTemplate:
    return BadTemplate(f"{name} {number}: {text}{misspelt(vector, KEYS[name])}")


def _with_targets(disks: list[Vector], context: list[Vector], prefix: str) -> tuple[list[Vector], list[Vector]]:
    """Give every disk a TARGET: first the first system disk, then the context, CDROMs, all others."""
    taken: dict[str, str] = {}
    everything = [*disks, *context]
    names = [f"DISK {number}" for number in range(len(disks))] + ["CONTEXT"]
    for where, vector in zip(names, everything, strict=False):
        if target := vector.get("TARGET"):
            if target in taken:
                raise BadTemplate(f"{where}: TARGET {target} is already taken by {taken[target]}, choose another")
            taken[target] = where
    system = next((number for number, disk in enumerate(disks) if disk["TYPE"] in ("DISK", "BLOCK")), -1)
    order = sorted(range(len(everything)), key=lambda number: (_turn(number, system, everything, len(disks)), number))
    for number in order:
        vector = everything[number]
        if not vector.get("TARGET"):
            target = _free_target(vector, taken, CDROM_PREFIX if number == len(disks) else prefix)
            taken[target] = names[number]
            everything[number] = {**vector, "TARGET": target}
    return everything[: len(disks)], everything[len(disks) :]


def _with_seed(context: Vector, disks: list[Vector]) -> Vector:
    """Return CONTEXT with the device of the CD for cloud-init, if it is to have one: the last to get its name."""
    kept = {key: value for key, value in context.items() if key != "CIDATA_TARGET"}
    if not wants_seed(kept):
        return kept
    return {**kept, "CIDATA_TARGET": seed_target([one["TARGET"] for one in (*disks, kept)])}


def _turn(number: int, system: int, vectors: list[Vector], context: int) -> int:
    if number == system:
        return 0
    if number == context:
        return 1
    return 2 if vectors[number].get("TYPE") == "CDROM" else 3


def _free_target(vector: Vector, taken: dict[str, str], default: str) -> str:
    """Return the first free device name with the prefix that DEV_PREFIX, the bus or the kind tells."""
    by_kind = {"CDROM": CDROM_PREFIX, "FLOPPY": "fd"}.get(vector.get("TYPE", ""), default)
    prefix = vector.get("DEV_PREFIX") or _PREFIX_OF_BUS.get(vector.get("BUS", "").upper()) or by_kind
    return next(target for target in _letters(prefix) if target not in taken)


def _letters(prefix: str) -> Iterator[str]:
    """Yield PREFIXa … PREFIXz, PREFIXaa …"""
    number = 0
    while True:
        suffix, rest = "", number
        while rest >= 0:
            suffix = chr(ord("a") + rest % 26) + suffix
            rest = rest // 26 - 1
        yield prefix + suffix
        number += 1
