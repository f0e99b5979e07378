"""Records to rows and back.

A row is a tuple in the order of its table's columns.  Bodies are JSON by msgspec, which reads a
field that an older version did not write as its default.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from trifid.core.acl import Rule
from trifid.core.audit import AuditEntry
from trifid.core.cluster import Cluster
from trifid.core.document import Document
from trifid.core.hook import Hook, HookExecution
from trifid.core.host import Host
from trifid.core.image.datastore import Datastore
from trifid.core.image.record import Image, ImageAction
from trifid.core.journal import Entry
from trifid.core.network.kept import VnTemplate
from trifid.core.network.record import Lease, Network
from trifid.core.network.security_group import SecurityGroup
from trifid.core.quota import DefaultQuotas
from trifid.core.user import Group, User
from trifid.core.vdc import Vdc
from trifid.core.vm.record import VM, Action, HistoryRecord
from trifid.core.vm_group.record import VmGroup
from trifid.core.vm_template import VmTemplate
from trifid.store.faults import Place

Row = tuple[Any, ...]
Record = TypeVar("Record")

_encode = msgspec.json.Encoder().encode


def _body(record: msgspec.Struct) -> str:
    return _encode(record).decode()


def _clean(words: str) -> str:
    """Return text that every database takes: PostgreSQL refuses the NUL character in a column."""
    return words.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in words else words


def vm_row(vm: VM) -> Row:
    """Return a VM's row; its history has rows of its own."""
    body = _body(replace(vm, history=()) if vm.history else vm)
    cpu_percent, memory_mib = vm.needs.cpu_percent, vm.needs.memory_mib
    return vm.id, vm.uid, vm.gid, _clean(vm.name), vm.state.value, cpu_percent, memory_mib, vm.stime, vm.etime, body


def history_row(vm_id: int, record: HistoryRecord) -> Row:
    """Return the row of one stay of a VM."""
    r = record
    return vm_id, r.seq, r.host_id, _clean(r.hostname), r.stime, r.etime, r.action, r.uid, _body(r)


def host_row(host: Host) -> Row:
    """Return a host's row."""
    h = host
    names = (_clean(h.name), h.state.value, _clean(h.im), _clean(h.vmm))
    return h.id, *names, h.cluster_id, h.total_cpu_percent, h.total_memory_kib, _body(h)


def network_row(network: Network) -> Row:
    """Return a network's row."""
    n = network
    return n.id, n.uid, n.gid, _clean(n.name), n.state.value, _clean(n.bridge), _clean(n.vn_mad), _body(n)


def lease_row(lease: Lease) -> Row:
    """Return a lease's row, which is all of it."""
    return lease.network_id, lease.range_id, lease.index, lease.vm_id, lease.mac, lease.ip


def security_group_row(group: SecurityGroup) -> Row:
    """Return a security group's row."""
    return group.id, group.uid, group.gid, _clean(group.name), _body(group)


def vm_group_row(group: VmGroup) -> Row:
    """Return a VM group's row."""
    return group.id, group.uid, group.gid, _clean(group.name), _body(group)


def cluster_row(cluster: Cluster) -> Row:
    """Return a cluster's row."""
    return cluster.id, _clean(cluster.name), _body(cluster)


def vn_template_row(template: VnTemplate) -> Row:
    """Return a network template's row."""
    t = template
    return t.id, t.uid, t.gid, _clean(t.name), t.regtime, _body(t)


def datastore_row(datastore: Datastore) -> Row:
    """Return a datastore's row."""
    d = datastore
    drivers = (_clean(d.ds_mad), _clean(d.tm_mad))
    return d.id, d.uid, d.gid, _clean(d.name), d.type.value, d.state.value, *drivers, _body(d)


def image_row(image: Image) -> Row:
    """Return an image's row."""
    i = image
    kind = (i.type.value, i.state.value, i.datastore_id, i.size_mib)
    return i.id, i.uid, i.gid, _clean(i.name), *kind, _clean(i.source), _body(i)


def vm_template_row(template: VmTemplate) -> Row:
    """Return a VM template's row."""
    t = template
    return t.id, t.uid, t.gid, _clean(t.name), t.regtime, _body(t)


def user_row(user: User) -> Row:
    """Return a user's row."""
    return user.id, _clean(user.name), user.gid, _clean(user.auth_driver), user.enabled, _body(user)


def group_row(group: Group) -> Row:
    """Return a group's row."""
    return group.id, _clean(group.name), _body(group)


def rule_row(rule: Rule) -> Row:
    """Return an access rule's row."""
    return rule.id, rule.user, rule.resource, rule.rights, rule.zone, _body(rule)


def vdc_row(vdc: Vdc) -> Row:
    """Return a virtual data centre's row."""
    return vdc.id, _clean(vdc.name), _body(vdc)


def hook_row(hook: Hook) -> Row:
    """Return a hook's row."""
    return hook.id, _clean(hook.name), _clean(hook.type), _body(hook)


def hook_execution_row(execution: HookExecution) -> Row:
    """Return the row of what a hook did once."""
    e = execution
    return e.hook_id, e.execution_id, e.timestamp, e.code, _body(e)


def document_row(document: Document) -> Row:
    """Return a document's row."""
    d = document
    return d.id, d.uid, d.gid, _clean(d.name), d.type, _body(d)


def default_quotas_row(quotas: DefaultQuotas) -> Row:
    """Return the row of the quotas of those who have none of their own."""
    return quotas.id, _body(quotas)


def action_row(action: Action) -> Row:
    """Return an action's row, which is all of it."""
    return action.vm_id, action.step, action.family, action.verb, action.previous


def image_action_row(action: ImageAction) -> Row:
    """Return an image action's row, which is all of it."""
    return action.image_id, action.step, action.verb


def entry_row(entry: Entry) -> Row:
    """Return a journal entry's row, which is all of it; NUL characters become U+FFFD."""
    e = entry
    return e.id, e.at, e.kind, e.object_id, e.uid, _clean(e.what), _clean(e.old), _clean(e.new), _clean(e.text)


def audit_row(entry: AuditEntry) -> Row:
    """Return an audit entry's row, which is all of it; NUL characters become U+FFFD."""
    e = entry
    who = (e.id, e.at, e.request_id, e.uid, _clean(e.user), _clean(e.peer))
    return *who, e.method, e.object_id, _clean(e.arguments), e.code, _clean(e.text), _clean(e.ground)


def read_bodies(kind: type[Record], rows: Iterable[tuple[int, str]], table: str, place: Place) -> list[Record]:
    """Return the records of rows of id and body.

    Raises:
        StoreFault: a body is not what this version writes.
    """
    decode = msgspec.json.Decoder(kind).decode
    records: list[Record] = []
    reading = -1
    try:
        for row_id, body in rows:
            reading = row_id
            records.append(decode(body))
    except (msgspec.MsgspecError, UnicodeError) as fault:
        raise place.fault(
            f"row {reading} of table {table} cannot be read ({fault}): "
            "it was changed by hand or damaged, repair its body or restore a backup"
        ) from fault
    return records
