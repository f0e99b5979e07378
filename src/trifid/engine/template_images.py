"""The images and networks that the devices of a kept VM template name."""

from collections.abc import Iterator

from trifid.core.access import Caller
from trifid.core.image.disks import disk_from
from trifid.core.image.record import Image
from trifid.core.template.model import Template, Value
from trifid.engine.networks import network_of
from trifid.engine.transaction import Draft
from trifid.engine.used_images import image_of
from trifid.errors import BadTemplate, NotAllowed

Vector = dict[str, str]


def names_image(disk: Vector) -> bool:
    """Tell whether a DISK is made of an image of the catalogue."""
    return bool(disk.get("IMAGE") or disk.get("IMAGE_ID"))


def images_of_template(draft: Draft, caller: Caller, template: Template) -> Iterator[Image]:
    """Yield the images that the DISKs of a template name, each once; those that are not there any more are left out.

    Raises:
        NotAllowed: the caller may not use one of them.
    """
    seen: set[int] = set()
    for disk in template.vectors("DISK"):
        if not names_image(disk):
            continue
        try:
            image = image_of(draft, caller, disk)
        except BadTemplate:
            continue
        if image.id not in seen:
            seen.add(image.id)
            yield image


def extended(draft: Draft, caller: Caller, template: Template) -> Template:
    """Return a template whose DISKs and NICs tell what their images and networks would tell a VM.

    A device whose image or network is not there, or is not the caller's to use, stays as it is.
    """
    return Template(tuple((name, _extended(draft, caller, name, value)) for name, value in template))


def _extended(draft: Draft, caller: Caller, name: str, value: Value) -> Value:
    if isinstance(value, str):
        return value
    if name == "DISK" and names_image(value):
        return _disk(draft, caller, value)
    return _nic(draft, caller, value) if name == "NIC" else value


def _disk(draft: Draft, caller: Caller, disk: Vector) -> Vector:
    try:
        image = image_of(draft, caller, disk)
        datastore = draft.datastore(image.datastore_id)
        return disk_from(disk, image, owner=draft.user(image.uid).name, datastore=datastore.name)
    except (BadTemplate, NotAllowed):
        return disk


def _nic(draft: Draft, caller: Caller, nic: Vector) -> Vector:
    network = network_of(draft, caller, nic)
    if network is None:
        return nic
    told = {
        "NETWORK": network.name,
        "NETWORK_ID": str(network.id),
        "NETWORK_UNAME": draft.user(network.uid).name,
        "BRIDGE": network.bridge,
        "BRIDGE_TYPE": network.bridge_type,
        "VN_MAD": network.vn_mad,
        "PHYDEV": network.phydev,
        "VLAN_ID": network.vlan_id,
    }
    return {**{key: text for key, text in told.items() if text}, **nic}
