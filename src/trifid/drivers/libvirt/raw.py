"""RAW of a template: elements of a domain that administrators write themselves."""

from collections.abc import Mapping as Values
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.mapping import Mapping, Property
from trifid.drivers.libvirt.vm import VmDocument

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"

ElementTree.register_namespace("qemu", QEMU_NAMESPACE)


def raw_mapping(types: tuple[str, ...], note: str) -> Mapping:
    """Return the declaration of RAW for a hypervisor that takes sections of these types; `note` is about DATA."""
    return Mapping(
        "RAW",
        "domain",
        (
            Property(".", "TYPE", note=f"{' or '.join(types)}, in any case; others are passed over"),
            Property(".", "DATA", note=note),
        ),
    )


def put_raw(domain: Element, vm: VmDocument, types: tuple[str, ...], namespaces: Values[str, str]) -> None:
    """Append what RAW sections of these types say; only administrators may write them.

    Args:
        types: in lower case.
        namespaces: {prefix: name space} that they may use.

    Raises:
        Failure: DATA is not XML.
    """
    prefixes = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
    for number, vector in enumerate(vm.template.vectors("RAW")):
        if vector.get("TYPE", "").lower() not in types:
            continue
        try:
            raw = ElementTree.fromstring(f"<raw{prefixes}>{vector.get('DATA', '')}</raw>")  # noqa: S314
        except ElementTree.ParseError as fault:
            raise Failure(f"RAW {number}: DATA is not XML that a domain can hold: {fault}") from fault
        domain.extend(raw)
