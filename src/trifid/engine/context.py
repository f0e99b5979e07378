"""What a VM's CONTEXT may quote: its networks, images and owner, as its caller may see them."""

from trifid.core.access import Caller, Right, allowed
from trifid.core.image.record import Image
from trifid.core.network.record import Network
from trifid.core.template.context import substitute, with_nics_told
from trifid.core.template.model import Template
from trifid.core.template.nic_variables import NetworkAttribute
from trifid.core.vm.record import VM
from trifid.engine.transaction import Draft
from trifid.engine.used_images import find_image
from trifid.errors import BadTemplate


def with_context(draft: Draft, vm: VM, caller: Caller) -> Template:
    """Return the VM's template with the `$` references of its CONTEXT replaced; raises BadTemplate."""
    context = vm.template.vector("CONTEXT")
    if not context:
        return vm.template

    def user_attribute(attribute: str) -> str:
        """Return an attribute of the VM's owner, for the owner and administrators."""
        if caller.uid != vm.uid and not caller.is_admin:
            return ""
        return draft.user(vm.uid).template.single(attribute)

    def image_attribute(key: str, value: str, attribute: str) -> str:
        """Return an attribute of an image that the caller may use, by IMAGE or IMAGE_ID; else ""."""
        image = _image(draft, caller, {key: value})
        return _told_of(image, attribute) if image else ""

    values = {
        "VMID": str(vm.id),
        "UID": str(vm.uid),
        "GID": str(vm.gid),
        "UNAME": caller.name,
        "GNAME": draft.group(vm.gid).name,
        "NAME": vm.name,
    }
    filled = substitute(
        vm.template,
        vm.user_template,
        values,
        _network_attributes(draft, vm, caller),
        user_attribute=user_attribute,
        image_attribute=image_attribute,
    )
    return vm.template.replacing("CONTEXT", filled)


def with_context_of_nics(draft: Draft, vm: VM, caller: Caller) -> Template:
    """Return the VM's template with what CONTEXT says of NICs that have got their network; raises BadTemplate."""
    if not vm.template.vector("CONTEXT"):
        return vm.template
    told = with_nics_told(vm.template, _network_attributes(draft, vm, caller), name=vm.name)
    return vm.template.replacing("CONTEXT", told)


def _network_attributes(draft: Draft, vm: VM, caller: Caller) -> NetworkAttribute:
    context = vm.template.vector("CONTEXT")
    networks = _networks_told(draft, vm, caller) if "$" in str(context) or "NETWORK" in context else []

    def network_attribute(key: str, value: str, attribute: str) -> str:
        """Return an attribute of a network that the caller may use, by NETWORK or NETWORK_ID; else ""."""
        for network in networks:
            if value == (str(network.id) if key in ("ID", "NETWORK_ID") else network.name):
                found = {"BRIDGE": network.bridge, "NAME": network.name, "ID": str(network.id)}
                return found.get(attribute) or network.template.single(attribute)
        return ""

    return network_attribute


def _networks_told(draft: Draft, vm: VM, caller: Caller) -> list[Network]:
    """Return the networks that a context may quote, those that the caller may use: first the VM's, then its own."""
    of_vm = {nic.get("NETWORK_ID") for nic in vm.template.vectors("NIC")}
    usable = (network for network in draft.each("networks") if allowed(caller, Right.USE, "NET", network))
    return sorted(usable, key=lambda network: (str(network.id) not in of_vm, network.uid != caller.uid, network.id))


def _image(draft: Draft, caller: Caller, vector: dict[str, str]) -> Image | None:
    try:
        image = find_image(draft, caller, vector, "CONTEXT")
    except BadTemplate:
        return None
    return image if allowed(caller, Right.USE, "IMAGE", image) else None


def _told_of(image: Image, attribute: str) -> str:
    fields = {
        "ID": str(image.id),
        "NAME": image.name,
        "SIZE": str(image.size_mib),
        "TYPE": image.type.name,
        "FORMAT": image.format,
        "DATASTORE_ID": str(image.datastore_id),
        "PERSISTENT": "YES" if image.is_persistent else "NO",
    }
    return fields.get(attribute) or image.template.single(attribute)
