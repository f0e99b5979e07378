"""Records to write: builders with defaults, and strategies for any record at all."""

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from trifid.core.access import Permissions
from trifid.core.acl import Rule
from trifid.core.audit import AuditEntry
from trifid.core.document import Document
from trifid.core.hook import Hook, HookExecution, HookType
from trifid.core.host import Host, HostState
from trifid.core.journal import Entry
from trifid.core.network.record import AddressRange, Lease, Network, NetworkState
from trifid.core.quota import DefaultQuotas, Limits, ResourceLimits
from trifid.core.template.model import Template, template
from trifid.core.user import Group, LoginToken, User
from trifid.core.vdc import Vdc
from trifid.core.vm.lock import Lock
from trifid.core.vm.record import VM, Action, HistoryRecord, Needs
from trifid.core.vm.schedule import ScheduledAction
from trifid.core.vm.states import VmState
from trifid.core.vm_group.record import Policy, Role, VmGroup
from trifid.store.interface import Batch


def vm(vm_id: int = 7, **fields: Any) -> VM:
    """Build a pending VM."""
    pending = VM(
        id=vm_id, uid=2, gid=1, name=f"vm-{vm_id}", state=VmState.PENDING, needs=Needs(100, 512), stime=1_700_000_000
    )
    return replace(pending, **fields)


def stay(seq: int = 0, **fields: Any) -> HistoryRecord:
    """Build an open history record."""
    return replace(HistoryRecord(seq, 3, "host3", 0, "kvm", "shared", 0, 1_700_000_100), **fields)


def network(network_id: int = 0) -> Network:
    """Build a virtual network."""
    return Network(id=network_id, uid=2, gid=1, name="private", bridge="br0", vn_mad="dummy")


def user(user_id: int = 2, **fields: Any) -> User:
    """Build a user."""
    return replace(User(id=user_id, name=f"user-{user_id}", gids=(1,)), **fields)


def entry(entry_id: int, **fields: Any) -> Entry:
    """Build a journal entry."""
    return replace(Entry(entry_id, 1_700_000_000, "VM", 7, 2, "state", "PENDING", "PROLOG"), **fields)


def turn(number: int, template_bytes: int = 0) -> Batch:
    """Build what a turn may write: the VM of that number with its history, action, journal entry and counter."""
    return Batch(
        vms={
            number: vm(
                number,
                state=VmState.PROLOG,
                history=(stay(),),
                template=template(CPU="1", FILLING="x" * template_bytes),
            )
        },
        actions={number: Action(number, 1, "tm", "prolog")},
        counters={"vm": number + 1},
        journal=[entry(number + 1, object_id=number)],
    )


# -- strategies ------------------------------------------------------------------------------------

ids = st.integers(0, 2**31 - 1)
times = st.integers(0, 2**40)
words = st.text(max_size=20)
"""Everything that Unicode has, NUL too."""
columns = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
templates = st.builds(
    Template, st.lists(st.tuples(words, words | st.dictionaries(words, words, max_size=3)), max_size=4).map(tuple)
)
permissions = st.builds(Permissions, st.integers(0, 0o777))
stays = st.builds(
    stay,
    hostname=words,
    host_id=ids,
    cluster_id=st.integers(-1, 2**31 - 1),
    vmm=words,
    tm=words,
    stime=times,
    etime=times,
    eetime=times,
    action=st.integers(0, 50),
    uid=st.integers(-1, 2**31 - 1),
    request_id=words,
)
histories = st.lists(stays, max_size=3).map(lambda found: tuple(replace(r, seq=i) for i, r in enumerate(found)))
vms = st.builds(
    VM,
    id=st.just(7),
    uid=ids,
    gid=ids,
    name=words,
    state=st.sampled_from(VmState),
    needs=st.builds(Needs, st.integers(0, 2**31), st.integers(0, 2**31)),
    stime=times,
    permissions=permissions,
    prev=st.sampled_from(VmState),
    step=ids,
    etime=times,
    resched=st.booleans(),
    deploy_id=words,
    template=templates,
    user_template=templates,
    history=histories,
    saved_seq=st.integers(-1, 1000),
    lock=st.none() | st.builds(Lock, level=st.integers(1, 3), uid=ids, at=times, request_id=words),
    schedule=st.lists(
        st.builds(
            ScheduledAction,
            id=ids,
            uid=ids,
            action=words,
            time=times,
            args=words,
            days=st.lists(st.integers(0, 365), max_size=3).map(tuple),
            message=words,
            is_over=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
)
hosts = st.builds(
    Host,
    id=ids,
    name=words,
    state=st.sampled_from(HostState),
    im=words,
    vmm=words,
    cluster_id=st.integers(-1, 2**31 - 1),
    prev=st.sampled_from(HostState),
    total_cpu_percent=st.integers(0, 2**40),
    total_memory_kib=st.integers(0, 2**50),
    template=templates,
    uid=ids,
    gid=ids,
    permissions=permissions,
)
ranges = st.builds(
    AddressRange,
    id=ids,
    type=words,
    size=st.integers(1, 2**32),
    mac=st.integers(0, 2**48 - 1),
    ip=st.none() | st.integers(0, 2**32 - 1),
    next_index=st.integers(0, 2**32),
    last_explicit=st.none() | st.integers(0, 2**32),
    keep_cursor=st.booleans(),
    attributes=st.dictionaries(words, words, max_size=3),
)
networks = st.builds(
    Network,
    id=ids,
    uid=ids,
    gid=ids,
    name=words,
    bridge=words,
    vn_mad=words,
    state=st.sampled_from(NetworkState),
    permissions=permissions,
    vlan_id=words,
    template=templates,
    ranges=st.lists(ranges, max_size=2).map(tuple),
    next_range_id=ids,
)
leases = st.builds(
    Lease,
    network_id=st.just(0),
    range_id=ids,
    index=st.integers(-(2**32), 2**32),
    vm_id=st.integers(-1, 2**31 - 1),
    mac=st.integers(0, 2**48 - 1),
    ip=st.none() | st.integers(0, 2**32 - 1),
)
tokens = st.builds(LoginToken, digest=words, expires_at=st.integers(-1, 2**40), egid=st.integers(-1, 2**31 - 1))
users = st.builds(
    User,
    id=ids,
    name=words,
    gids=st.lists(ids, min_size=1, max_size=3).map(tuple),
    password=words,
    auth_driver=words,
    enabled=st.booleans(),
    tokens=st.lists(tokens, max_size=2).map(tuple),
    template=templates,
)
vm_groups = st.builds(
    VmGroup,
    id=ids,
    uid=ids,
    gid=ids,
    name=words,
    roles=st.lists(
        st.builds(
            Role,
            id=ids,
            name=words,
            policy=st.sampled_from(Policy),
            host_affined=st.lists(ids, max_size=2).map(tuple),
            host_anti_affined=st.lists(ids, max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    next_role_id=ids,
    permissions=permissions,
    lock=st.none() | st.builds(Lock, level=st.integers(1, 3), uid=ids, at=times, request_id=words),
    template=templates,
)
groups = st.builds(Group, id=ids, name=words, template=templates)
actions = st.builds(
    Action, vm_id=st.just(7), step=ids, family=st.sampled_from(["vmm", "tm"]), verb=columns, previous=st.booleans()
)
entries = st.builds(
    Entry,
    id=st.just(1),
    at=times,
    kind=st.sampled_from(["VM", "HOST", "NET", "USER", "GROUP", "ENGINE"]),
    object_id=st.integers(-1, 2**31 - 1),
    uid=st.integers(-1, 2**31 - 1),
    what=columns,
    old=columns,
    new=columns,
    text=columns,
)
locks = st.none() | st.builds(Lock, level=st.integers(1, 3), uid=ids, at=times, request_id=words)
codes = st.integers(0, 2**62)
rules = st.builds(
    Rule, id=ids, user=codes, resource=codes, rights=st.integers(0, 15), zone=codes, is_derived=st.booleans()
)
pairs = st.lists(st.tuples(ids, st.integers(-10, 2**31 - 1)), max_size=3).map(tuple)
vdcs = st.builds(
    Vdc,
    id=ids,
    name=words,
    group_ids=st.lists(ids, max_size=3).map(tuple),
    clusters=pairs,
    hosts=pairs,
    datastores=pairs,
    networks=pairs,
    template=templates,
)
hooks = st.builds(
    Hook,
    id=ids,
    name=words,
    type=st.sampled_from(HookType),
    template=templates,
    lock=locks,
    cursor=ids,
    executions=ids,
)
executions = st.builds(
    HookExecution,
    hook_id=ids,
    execution_id=ids,
    timestamp=times,
    arguments=words,
    command=words,
    stdout=words,
    stderr=words,
    code=st.integers(0, 255),
    remote_host=words,
    retry=st.booleans(),
)
documents = st.builds(
    Document,
    id=ids,
    uid=ids,
    gid=ids,
    name=words,
    type=ids,
    permissions=permissions,
    lock=locks,
    template=templates,
)
limits = st.builds(
    Limits,
    st.lists(
        st.builds(
            ResourceLimits,
            kind=st.sampled_from(["VM", "IMAGE"]),
            id=words,
            figures=st.dictionaries(words, st.integers(-2, 2**50), max_size=3),
        ),
        max_size=2,
    ).map(tuple),
)
default_quotas = st.builds(DefaultQuotas, id=st.integers(0, 1), limits=limits)
audit_entries = st.builds(
    AuditEntry,
    id=st.just(1),
    at=times,
    request_id=columns,
    uid=st.integers(-1, 2**31 - 1),
    user=columns,
    peer=columns,
    method=columns,
    object_id=st.integers(-1, 2**31 - 1),
    arguments=columns,
    code=st.integers(0, 2**16),
    text=columns,
    ground=columns,
)


def audit_entry(entry_id: int, **fields: Any) -> AuditEntry:
    """Build an entry of the audit."""
    made = AuditEntry(entry_id, 1_700_000_000, "r1", 2, "alice", "127.0.0.1", "one.vm.action", 7, "word=hold vm_id=7")
    return replace(made, **fields)


def execution(hook_id: int, execution_id: int, **fields: Any) -> HookExecution:
    """Build what came of a hook."""
    return replace(HookExecution(hook_id, execution_id, 1_700_000_000, "", "/hooks/x", "", "", 0), **fields)
