"""The generated part of docs/drivers-libvirt.md: what becomes of every attribute of a template."""

from collections.abc import Iterable

from trifid.drivers.libvirt.connector import Connector
from trifid.drivers.libvirt.mapping import HERE, Mapping, Property
from trifid.drivers.libvirt.registry import connector, shipped

BEGIN, END = "<!-- generated from the declarations: begin -->", "<!-- generated: end -->"

NOT_USED = {
    "SUBMIT_ON_HOLD": "the engine's",
    "TEMPLATE_ID": "the engine's",
    "CLONING_TEMPLATE_ID": "the engine's",
    "IMPORTED": "the engine's",
    "CPU_COST": "accounting's",
    "MEMORY_COST": "accounting's",
    "DISK_COST": "accounting's",
    "VROUTER_ID": "virtual routers'",
    "VROUTER_KEEPALIVED_ID": "virtual routers'",
    "VROUTER_KEEPALIVED_PASSWORD": "virtual routers'",
    "VMGROUP": "the scheduler's",
    "NIC_ALIAS": "another address of an interface that is there",
    "NIC_DEFAULT": "the engine copies it into every NIC",
    "DISK/SOURCE": "the transfer driver puts it where the domain finds it",
    "DISK/SIZE": "the transfer driver's",
    "DISK/ORIGINAL_SIZE": "the transfer driver's",
    "DISK/SIZE_PREV": "the transfer driver's",
    "DISK/FS": "the transfer driver's",
    "DISK/CLONE": "the transfer driver's",
    "DISK/SAVE": "the transfer driver's",
    "DISK/IMAGE": "the engine's",
    "DISK/IMAGE_ID": "the engine's",
    "DISK/IMAGE_UNAME": "the engine's",
    "DISK/IMAGE_UID": "the engine's",
    "DISK/DEV_PREFIX": "the engine chooses TARGET with it",
    "DISK/MODEL": "another hypervisor's",
    "DISK/VCENTER_ADAPTER_TYPE": "another hypervisor's",
    "NIC/NETWORK": "the engine's",
    "NIC/NETWORK_ID": "the engine's",
    "NIC/NETWORK_UNAME": "the engine's",
    "NIC/NETWORK_UID": "the engine's",
    "NIC/NETWORK_MODE": "the engine's",
    "NIC/NIC_ID": "names the interface in OS/BOOT",
    "NIC/NAME": "the engine's",
    "NIC/PARENT": "the engine's",
    "NIC/SCHED_REQUIREMENTS": "the scheduler's",
    "NIC/SCHED_RANK": "the scheduler's",
    "NIC/IP": "in the MAC and the context",
    "NIC/IP6": "in the context",
    "NIC/PHYDEV": "the network driver's",
    "NIC/SECURITY_GROUPS": "the network driver's",
    "NIC/WHITE_PORTS_TCP": "the network driver's",
    "NIC/BLACK_PORTS_TCP": "the network driver's",
    "NIC/WHITE_PORTS_UDP": "the network driver's",
    "NIC/BLACK_PORTS_UDP": "the network driver's",
    "NIC/ICMP": "the network driver's",
    "GRAPHICS/COMMAND": "another hypervisor's",
    "GRAPHICS/RANDOM_PASSWD": "the engine makes a PASSWD up",
    "RAW/DATA_VMX": "another hypervisor's",
    "CONTEXT/FILES": "on the context CD",
    "CONTEXT/FILES_DS": "on the context CD",
    "CONTEXT/NETWORK": "on the context CD",
    "CONTEXT/TOKEN": "on the context CD",
    "CONTEXT/REPORT_READY": "on the context CD",
    "CONTEXT/SSH_PUBLIC_KEY": "on the context CD",
    "CONTEXT/START_SCRIPT": "on the context CD",
    "CONTEXT/START_SCRIPT_BASE64": "on the context CD",
    "CONTEXT/INIT_SCRIPTS": "on the context CD",
    "CONTEXT/SET_HOSTNAME": "on the context CD",
    "CONTEXT/USER_DATA": "on the CD for cloud-init",
    "CONTEXT/USER_DATA_ENCODING": "on the CD for cloud-init",
    "CONTEXT/CLOUD_INIT": "the engine chooses CIDATA_TARGET by it",
    "CONTEXT/DEV_PREFIX": "the engine chooses TARGET with it",
    "PCI/VENDOR": "the scheduler's",
    "PCI/DEVICE": "the scheduler's",
    "PCI/CLASS": "the scheduler's",
    "PCI/TYPE": "the scheduler's",
}
"""Attributes that have no part in a domain of any hypervisor, each with whose it is or what to do instead."""


def tables() -> str:
    """Return what becomes of a template with each shipped connector, in Markdown."""
    parts: list[str] = []
    told: dict[int, Connector] = {}
    for one in sorted(map(connector, shipped()), key=lambda one: (one.name != "kvm", one.name)):
        parts.append(f"### {one.title or one.name}")
        parts.append(f"Connector `{one.name}`, by default at `{one.uri}`{_of_users(one)}.")
        if before := told.get(id(one.mappings)):
            parts.append(f"Its domains are those of `{before.name}`.")
        else:
            told[id(one.mappings)] = one
            parts.append(_mapped(one))
            parts.append("Not part of a domain:")
            parts.append(_table(("template", "why"), sorted({**NOT_USED, **one.not_used}.items())))
        if one.cannot:
            parts.append("What it cannot do, and what is answered to that:")
            parts.append(_table(("verb", "reason"), list(one.cannot.items())))
    return "\n\n".join(parts)


def _of_users(one: Connector) -> str:
    return f"; for other users than root at `{one.user_uri}`" if one.user_uri not in ("", one.uri) else ""


def _mapped(one: Connector) -> str:
    rows = [_row(mapping, each) for mapping in one.mappings for each in mapping.properties]
    return _table(("template", "domain", "default", "remark"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return text.replace(f"|{' --- |' * len(head)}", f"|{'---|' * len(head)}", 1)


def updated(page: str) -> str:
    """Return the page with its generated part made anew."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"


def _row(mapping: Mapping, one: Property) -> tuple[str, str, str, str]:
    template = "–"
    if one.is_of_template:
        template = f"{mapping.name}/{one.key}" if mapping.name else one.key
    place = "" if one.path == HERE else one.path
    where = f"`{mapping.tag}{'/' if mapping.tag and place else ''}{place.rstrip('/')}`"
    return template, where, one.default, one.note or mapping.note
