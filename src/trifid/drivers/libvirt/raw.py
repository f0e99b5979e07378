"""RAW of a template: elements of a domain that administrators write themselves."""

from collections.abc import Mapping as Values
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.mapping import Mapping, Property, is_yes
from trifid.drivers.libvirt.vm import VmDocument

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"

_IDENTITY = ("name", "uuid", "metadata")
_JOINED = ("devices", "features", "cputune")

ElementTree.register_namespace("qemu", QEMU_NAMESPACE)


def raw_mapping(types: tuple[str, ...], note: str) -> Mapping:
    """Return the declaration of RAW for a hypervisor that takes sections of these types; `note` is about DATA."""
    return Mapping(
        "RAW",
        "domain",
        (
            Property(".", "TYPE", note=f"{' or '.join(types)}, in any case; others are passed over"),
            Property(".", "DATA", note=note),
            Property(".", "VALIDATE", note="YES: libvirt checks the whole domain against its schema before it starts"),
        ),
    )


def put_raw(domain: Element, vm: VmDocument, types: tuple[str, ...], namespaces: Values[str, str]) -> None:
    """Add what RAW sections of these types say; only administrators may write them.

    What is in devices, features and cputune joins what is there already.

    Args:
        types: in lower case.
        namespaces: {prefix: name space} that they may use.

    Raises:
        Failure: DATA is not XML, or says who the domain is, which the engine does.
    """
    prefixes = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
    for number, vector in enumerate(vm.template.vectors("RAW")):
        if vector.get("TYPE", "").lower() not in types:
            continue
        try:
            raw = ElementTree.fromstring(f"<raw{prefixes}>{vector.get('DATA', '')}</raw>")  # noqa: S314
        except ElementTree.ParseError as fault:
            raise Failure(f"RAW {number}: DATA is not XML that a domain can hold: {fault}") from fault
        for element in raw:
            if element.tag in _IDENTITY:
                raise Failure(f"RAW {number}: DATA has a <{element.tag}>, which is the engine's: leave it out")
            there = domain.find(element.tag) if element.tag in _JOINED else None
            if there is None:
                domain.append(element)
            else:
                there.extend(element)


def wants_validation(vm: VmDocument) -> bool:
    """Tell whether libvirt shall check the domain against its schema."""
    return any(is_yes(vector.get("VALIDATE", "")) for vector in vm.template.vectors("RAW"))
