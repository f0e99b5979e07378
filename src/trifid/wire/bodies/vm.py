"""The documents of a VM: full, within an extended pool, and short within a pool.

Source: reference/api-modern.md §5.1, §5.2, §5.5 (vm.xsd, vm_pool.xsd); lifecycle.md §3.2.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from trifid.core.template.model import Template, Value
from trifid.core.template.xml import element
from trifid.core.vm.changes import RESIZE_PREV
from trifid.core.vm.host_devices import with_devices
from trifid.core.vm.record import VM, DiskSnapshot, DiskSnapshots, HistoryRecord
from trifid.core.vm.schedule import as_vector
from trifid.wire.bodies.parts import Names, body, cdata, ids, lock, owner, permissions, words
from trifid.wire.xmltext import escape, is_element_name, writable

Figures = Mapping[str, str]
NO_MONITORING: Figures = {}

LIVE_MIGRATION = "LIVE_MIGRATION"
"""Of USER_TEMPLATE: how far a live migration is, while there is one; nobody writes it."""

_SCHEMA_ORDER = words(
    "AUTOMATIC_DS_REQUIREMENTS AUTOMATIC_NIC_REQUIREMENTS AUTOMATIC_REQUIREMENTS CLONING_TEMPLATE_ID CONTEXT CPU "
    "CPU_COST DISK DISK_COST EMULATOR FEATURES HYPERV_OPTIONS GRAPHICS VIDEO IMPORTED INPUT MEMORY MEMORY_COST "
    "MEMORY_MAX MEMORY_SLOTS MEMORY_RESIZE_MODE NIC NIC_ALIAS NIC_DEFAULT NUMA_NODE OS PCI QEMU_GA_EXEC RAW "
    "SECURITY_GROUP_RULE SNAPSHOT SPICE_OPTIONS SUBMIT_ON_HOLD TEMPLATE_ID TM_MAD_SYSTEM TOPOLOGY TPM "
    "MEMORY_ENCRYPTION VCPU VCPU_MAX VMGROUP VMID VROUTER_ID VROUTER_KEEPALIVED_ID VROUTER_KEEPALIVED_PASSWORD "
    "SCHED_ACTION"
)
_PLACE = {name: place for place, name in enumerate(_SCHEMA_ORDER)}
_LAST = len(_PLACE)
"""What the schema does not name comes after what it names."""
_VIDEO_ORDER = words("TYPE IOMMU ATS VRAM RESOLUTION")
"""The one vector whose keys the schema orders otherwise than by name."""

_RATE = ("", "_BW", "_BW_FORECAST", "_BW_FORECAST_FAR")
_LEVEL = ("", "_FORECAST", "_FORECAST_FAR")
_FIGURES = (
    *(f"CPU{suffix}" for suffix in _LEVEL),
    *(f"{name}{suffix}" for name in ("DISKRDBYTES", "DISKRDIOPS", "DISKWRBYTES", "DISKWRIOPS") for suffix in _RATE),
    *(f"MEMORY{suffix}" for suffix in _LEVEL),
    *(f"{name}{suffix}" for name in ("NETRX", "NETTX") for suffix in _RATE),
)
_BEFORE_ID = frozenset(name for name in _FIGURES if name < "ID")
_SET_HERE = frozenset({"ID", "TIMESTAMP", "DISK_SIZE"})
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\Z", re.ASCII)

_SHORT_CAPACITY = ("CPU", "MEMORY", "VCPU")
_SHORT_VECTORS = {
    "DISK": words("CLONE DATASTORE DATASTORE_ID DISK_ID IMAGE IMAGE_ID SIZE SOURCE TARGET TYPE"),
    "NIC": words(
        "AR_ID BRIDGE IP IP6 IP6_GLOBAL IP6_LINK IP6_ULA MAC NAME NETWORK NETWORK_ID NETWORK_MODE NIC_ID SCHED_RANK "
        "SCHED_REQUIREMENTS SECURITY_GROUPS"
    ),
    "GRAPHICS": words("LISTEN PORT TYPE"),
}
_SHORT_USER_ATTRIBUTES = words(
    "ERROR HAIZEA LABELS RANK REQUIREMENTS SCHED_ACTION SCHED_DS_RANK SCHED_DS_REQUIREMENTS SCHED_LEASE SCHED_MESSAGE "
    "SCHED_RANK SCHED_REQUIREMENTS USER_PRIORITY"
)
"""HAIZEA, RANK and REQUIREMENTS are names of 2009, SCHED_LEASE is the scheduler's own: today's pool lacks them.
Nor has it DISK/CLONE, by which the scheduler tells copies of images from images that are used in place, and what of
a NIC says which network may be chosen for it."""

_ALLOW_ORPHANS = "YES"
"""Any snapshot of a disk may go, whatever was made after it; those who descend from it stay."""
_NO_BASE = -1
"""CURRENT_BASE tells something only where orphans are MIXED."""
_NO_BACKUPS = "<BACKUPS><BACKUP_CONFIG></BACKUP_CONFIG><BACKUP_IDS></BACKUP_IDS></BACKUPS>"


def vm_full(
    vm: VM, names: Names, last_poll: int = 0, monitoring: Figures = NO_MONITORING, moving: Figures = NO_MONITORING
) -> str:
    """Return the VM document with all history records: what vm.info answers and what drivers get.

    Args:
        last_poll: epoch seconds of the newest monitoring, 0 = none yet.
        monitoring: its figures by name (CPU percent, MEMORY KiB, NETRX bytes …).
        moving: how far its live migration is, while there is one (PERCENT, LEFT_MIB …).
    """
    return _document(vm, names, last_poll, monitoring, moving, vm.history)


def vm_extended(
    vm: VM, names: Names, last_poll: int = 0, monitoring: Figures = NO_MONITORING, moving: Figures = NO_MONITORING
) -> str:
    """Return the VM document with the last history record only: an entry of an extended pool."""
    return _document(vm, names, last_poll, monitoring, moving, vm.history[-1:])


def vm_pool_entry(
    vm: VM, names: Names, last_poll: int = 0, monitoring: Figures = NO_MONITORING, moving: Figures = NO_MONITORING
) -> str:
    """Return the short VM document, an entry of vmpool.info."""
    figures = [name for name in ("CPU", "MEMORY") if _is_figure(monitoring, name)]
    seen = _elements([*figures, "STATE"] if "STATE" in monitoring else figures, monitoring)
    return (
        f"<VM>{_head(vm, names)}<LAST_POLL>{last_poll}</LAST_POLL>"
        f"<STATE>{vm.state.state}</STATE><LCM_STATE>{vm.state.lcm_state}</LCM_STATE>{_times(vm)}"
        f"{_short_lock(vm)}<TEMPLATE>{_short_template(vm.template)}</TEMPLATE><MONITORING>{seen}</MONITORING>"
        f"{body('USER_TEMPLATE', _with_move(_short_user_template(vm), moving))}"
        f"{_history(vm.id, vm.history[-1:], _short_record)}</VM>"
    )


def _short_user_template(vm: VM) -> Template:
    """Return what the scheduler needs of the attributes, and what else it needs: the schema has no other place."""
    more = with_devices(vm).only("AUTOMATIC_REQUIREMENTS", "PCI", "VMGROUP")
    return vm.user_template.only(*_SHORT_USER_ATTRIBUTES).having(*more)


def _document(
    vm: VM, names: Names, last_poll: int, monitoring: Figures, moving: Figures, history: tuple[HistoryRecord, ...]
) -> str:
    return (
        f"<VM>{_head(vm, names)}{permissions(vm.permissions)}<LAST_POLL>{last_poll}</LAST_POLL>"
        f"<STATE>{vm.state.state}</STATE><LCM_STATE>{vm.state.lcm_state}</LCM_STATE>"
        f"<PREV_STATE>{vm.prev.state}</PREV_STATE><PREV_LCM_STATE>{vm.prev.lcm_state}</PREV_LCM_STATE>{_times(vm)}"
        f"{lock(vm.lock)}<MONITORING>{_monitoring(vm.id, last_poll, monitoring)}</MONITORING>"
        f"{ids('SCHED_ACTIONS', [one.id for one in vm.schedule])}"
        f"<TEMPLATE>{_template(vm)}</TEMPLATE>{body('USER_TEMPLATE', _with_move(vm.user_template, moving))}"
        f"{_history(vm.id, history, history_record)}{_disk_snapshots(vm.disk_snapshots)}{_NO_BACKUPS}</VM>"
    )


def _head(vm: VM, names: Names) -> str:
    return f"<ID>{vm.id}</ID>{owner(vm.uid, vm.gid, names)}<NAME>{escape(vm.name)}</NAME>"


def _times(vm: VM) -> str:
    return (
        f"<RESCHED>{vm.resched:d}</RESCHED><STIME>{vm.stime}</STIME><ETIME>{vm.etime}</ETIME>"
        f"<DEPLOY_ID>{escape(vm.deploy_id)}</DEPLOY_ID>"
    )


def _short_lock(vm: VM) -> str:
    return f"<LOCK><LOCKED>{vm.lock.level}</LOCKED></LOCK>" if vm.lock is not None else ""


def _template(vm: VM) -> str:
    """Return the children of TEMPLATE in the schema's order.

    The schema wants TM_MAD_SYSTEM and VMID of every VM; one that was never deployed has an empty
    TM_MAD_SYSTEM, where today's engine breaks its own schema by leaving it out.  The size that a resize
    under way would go back to is the engine's own affair.
    """
    template = _with_disk_snapshot_marks(vm, with_devices(vm)).without(RESIZE_PREV).replacing("VMID", str(vm.id))
    if "TM_MAD_SYSTEM" not in template:
        template = template.having(("TM_MAD_SYSTEM", vm.history[-1].tm if vm.history else ""))
    ordered = sorted(template.by_name(), key=_place)
    parts = [element(name, _video(value) if name == "VIDEO" else value) for name, value in ordered]
    parts += [element("SCHED_ACTION", as_vector(one, vm.id)) for one in vm.schedule]
    return writable("".join(parts))


def _with_disk_snapshot_marks(vm: VM, template: Template) -> Template:
    """Return the template with the disk marked whose snapshot a driver works on, and which one it is."""
    under_way = {str(of.disk_id): str(one.id) for of in vm.disk_snapshots for one in of.snapshots if one.pending}
    if not under_way:
        return template
    return template.replacing("DISK", *[_marked(disk, under_way) for disk in vm.template.vectors("DISK")])


def _marked(disk: dict[str, str], under_way: Mapping[str, str]) -> dict[str, str]:
    snapshot_id = under_way.get(disk.get("DISK_ID", ""))
    return {**disk, "DISK_SNAPSHOT_ACTIVE": "YES", "DISK_SNAPSHOT_ID": snapshot_id} if snapshot_id else disk


def _video(value: Value) -> Value:
    """Return VIDEO with its keys in the schema's order and without empty ones: VRAM is a number there."""
    if isinstance(value, str):
        return value
    given = {key: text for key, text in value.items() if text}
    known = {key: given.pop(key) for key in _VIDEO_ORDER if key in given}
    return known | given


def _place(pair: tuple[str, Value]) -> int:
    return _PLACE.get(pair[0], _LAST)


def _monitoring(vm_id: int, last_poll: int, monitoring: Mapping[str, str]) -> str:
    """Return the children of MONITORING: what the schema knows in its order, then what else was seen.

    Figures that are not numbers are left out: clients that bind documents to types would fail on them.
    """
    if not last_poll:
        return ""
    before = [name for name in _FIGURES if name in _BEFORE_ID and _is_figure(monitoring, name)]
    after = [name for name in _FIGURES if name not in _BEFORE_ID and _is_figure(monitoring, name)]
    more = [n for n in sorted(monitoring) if n not in _FIGURES and n not in _SET_HERE and is_element_name(n)]
    return (
        f"{_elements(before, monitoring)}<ID>{vm_id}</ID>{_elements(after, monitoring)}"
        f"<TIMESTAMP>{last_poll}</TIMESTAMP>{_elements(more, monitoring)}"
    )


def _with_move(told: Template, moving: Figures) -> Template:
    """Return the user's attributes with how far a live migration is: the schema has no other place for it."""
    return told.having((LIVE_MIGRATION, dict(moving))) if moving else told


def _elements(names: Iterable[str], values: Mapping[str, str]) -> str:
    return "".join([f"<{name}>{cdata(values[name])}</{name}>" for name in names])


def _is_figure(values: Mapping[str, str], name: str) -> bool:
    return _DECIMAL.match(values.get(name, "")) is not None


def _short_template(template: Template) -> str:
    parts = [element(name, value) for name in _SHORT_CAPACITY if (value := template.single(name))]
    for name, keys in _SHORT_VECTORS.items():
        for vector in template.vectors(name):
            parts.append(element(name, {key: vector[key] for key in sorted(vector) if key in keys}))
    return writable("".join(parts))


def _history(vm_id: int, records: Iterable[HistoryRecord], record: Callable[[int, HistoryRecord], str]) -> str:
    return f"<HISTORY_RECORDS>{''.join([record(vm_id, one) for one in records])}</HISTORY_RECORDS>"


def history_record(vm_id: int, r: HistoryRecord) -> str:
    """Return the HISTORY element of a stay."""
    return (
        f"<HISTORY><OID>{vm_id}</OID><SEQ>{r.seq}</SEQ><HOSTNAME>{escape(r.hostname)}</HOSTNAME>"
        f"<HID>{r.host_id}</HID><CID>{r.cluster_id}</CID><STIME>{r.stime}</STIME><ETIME>{r.etime}</ETIME>"
        f"<VM_MAD>{cdata(r.vmm)}</VM_MAD><TM_MAD>{cdata(r.tm)}</TM_MAD><DS_ID>{r.datastore_id}</DS_ID>"
        "<PLAN_ID>-1</PLAN_ID><ACTION_ID>-1</ACTION_ID>"
        f"<PSTIME>{r.pstime}</PSTIME><PETIME>{r.petime}</PETIME><RSTIME>{r.rstime}</RSTIME><RETIME>{r.retime}</RETIME>"
        f"<ESTIME>{r.estime}</ESTIME><EETIME>{r.eetime}</EETIME><ACTION>{r.action}</ACTION>"
        f"<UID>{r.uid}</UID><GID>{r.gid}</GID><REQUEST_ID>{escape(r.request_id)}</REQUEST_ID></HISTORY>"
    )


def _short_record(vm_id: int, r: HistoryRecord) -> str:
    return (
        f"<HISTORY><OID>{vm_id}</OID><SEQ>{r.seq}</SEQ><HOSTNAME>{cdata(r.hostname)}</HOSTNAME>"
        f"<HID>{r.host_id}</HID><CID>{r.cluster_id}</CID><DS_ID>{r.datastore_id}</DS_ID>"
        f"<VM_MAD>{cdata(r.vmm)}</VM_MAD><TM_MAD>{cdata(r.tm)}</TM_MAD><ACTION>{r.action}</ACTION></HISTORY>"
    )


def _disk_snapshots(disks: Iterable[DiskSnapshots]) -> str:
    """Return a SNAPSHOTS for every disk that has, or once had, snapshots."""
    return "".join([_snapshots_of_disk(of) for of in sorted(disks, key=lambda of: of.disk_id)])


def _snapshots_of_disk(of: DiskSnapshots) -> str:
    return (
        f"<SNAPSHOTS><ALLOW_ORPHANS>{cdata(_ALLOW_ORPHANS)}</ALLOW_ORPHANS>"
        f"<CURRENT_BASE>{cdata(str(_NO_BASE))}</CURRENT_BASE><DISK_ID>{cdata(str(of.disk_id))}</DISK_ID>"
        f"<NEXT_SNAPSHOT>{cdata(str(of.next_id))}</NEXT_SNAPSHOT>"
        f"{''.join([disk_snapshot(one, of) for one in of.snapshots])}</SNAPSHOTS>"
    )


def disk_snapshot(one: DiskSnapshot, of: DiskSnapshots) -> str:
    """Return the SNAPSHOT of one snapshot of a disk."""
    children = ",".join([str(other.id) for other in of.snapshots if other.parent == one.id])
    active = f"<ACTIVE>{cdata('YES')}</ACTIVE>" if one.id == of.active else ""
    descends = f"<CHILDREN>{cdata(children)}</CHILDREN>" if children else ""
    return (
        f"<SNAPSHOT>{active}{descends}<DATE>{cdata(str(one.at))}</DATE><ID>{cdata(str(one.id))}</ID>"
        f"<NAME>{cdata(one.name)}</NAME><PARENT>{cdata(str(one.parent))}</PARENT>"
        f"<SIZE>{cdata(str(one.size_mib))}</SIZE></SNAPSHOT>"
    )
