"""The view of the cluster as the scheduler gets it, made inside the engine of the same documents.

Documents are collected on the loop, where they are kept anyway; they are read in a thread, one question after the
other, since a large cluster takes a fraction of a second.

Whoever may not see a host (USE HOST) is told its numbers, as SCHED_MESSAGE tells them, but neither its name nor its
attributes: in such a view its name is HIDDEN_NAME, so that no text made of the view can tell another.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import msgspec
from msgspec.structs import asdict, replace

from trifid.core.access import Caller, Right, allowed
from trifid.core.network.auto import undecided
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.core.vm_group.record import VmGroup
from trifid.engine.host_rights import barred_hosts
from trifid.engine.transaction import Draft
from trifid.errors import Refused
from trifid.methods.registry import Call
from trifid.placement.lease_end import ACTIVE, POWEROFF, SUSPENDED
from trifid.placement.lease_rules import Pace
from trifid.placement.reading import datastores, hosts, waiting_vms
from trifid.placement.reading_networks import networks
from trifid.placement.reading_placed import placed_vms
from trifid.placement.settings import Settings
from trifid.placement.view import GroupView, View, WaitingVm
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import unescape

HIDDEN_NAME = "a host"

_WAIT_FOR_A_HOST = frozenset(
    state.state
    for state in (
        *(VmState.INIT, VmState.PENDING, VmState.HOLD, VmState.STOPPED, VmState.UNDEPLOYED),
        *(VmState.CLONING, VmState.CLONING_FAILURE),
    )
)
"""STATE of VMs that are on no host."""

_STARTED = frozenset((ACTIVE, SUSPENDED, POWEROFF))
"""STATE of leases that count though they do not wait."""

_WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="placement")
"""One for all: whoever asks much waits for others of his kind, and nobody else does."""
QUESTIONS_OF_USER_MAX = 2
"""That one user, who is no administrator, may ask at the same time."""
_ASKING: Counter[int] = Counter()


class ClusterTexts(msgspec.Struct, frozen=True):
    """The documents that a view is read from, escaped as they are kept.

    Attributes:
        vms: those that want a host.
        networks: where NICs take any; None when no VM asks.
        users: with their groups and access rules.
        leases: one each of those that were started and have an end, or make room.
        hidden_ids: hosts that the caller may not see.
        barred_host_ids: as in the view.
    """

    hosts: Escaped
    clusters: Escaped
    datastores: Escaped
    vms: Escaped
    leases: tuple[str, ...]
    groups: tuple[GroupView, ...]
    hidden_ids: frozenset[int]
    now: int
    networks: Escaped | None = None
    users: tuple[Caller, ...] = ()
    barred_host_ids: dict[int, frozenset[int]] = {}

    def view(self, asked: Iterable[WaitingVm] = ()) -> View:
        """Return the view; takes long for many hosts.

        Args:
            asked: other VMs that it is made for.
        """
        vms = tuple(waiting_vms(_text(self.vms)))
        uids = {vm.uid for vm in (*vms, *asked) if vm.nics}
        people = [one for one in self.users if one.uid in uids]
        seen = hosts(_text(self.hosts), _text(self.clusters))
        return View(
            vms=vms,
            hosts=tuple(replace(one, name=HIDDEN_NAME) if one.id in self.hidden_ids else one for one in seen),
            datastores=tuple(datastores(_text(self.datastores))),
            placed=tuple(vm for text in self.leases for vm in placed_vms(text, _STARTED)),
            groups=self.groups,
            networks=tuple(networks(_text(self.networks), people)) if self.networks is not None else (),
            now=self.now,
            barred_host_ids=self.barred_host_ids,
        )


@contextmanager
def asking(caller: Caller) -> Iterator[None]:
    """Have a user ask no more than a few questions at the same time; raises Refused.

    Each takes up to some seconds, one after the other: nobody shall wait for all that one user can think of.
    """
    if _ASKING[caller.uid] >= QUESTIONS_OF_USER_MAX and not caller.is_admin:
        raise Refused(
            f"User [{caller.uid}] waits for the answers to {QUESTIONS_OF_USER_MAX} questions about placement: "
            "ask again when one is answered"
        )
    _ASKING[caller.uid] += 1
    try:
        yield
    finally:
        _ASKING[caller.uid] -= 1
        if not _ASKING[caller.uid]:
            del _ASKING[caller.uid]


async def worked(work: Callable[[], str]) -> str:
    """Return what `work` returns, done in the thread for what takes long with many hosts."""

    def without_pauses() -> str:
        # A view has a hundred thousand small objects and no cycles; looking for some would stop all threads.
        gc.disable()
        try:
            return work()
        finally:
            gc.enable()

    return await asyncio.get_running_loop().run_in_executor(_WORKER, without_pauses)


def cluster_texts(call: Call, draft: Draft, vms: Collection[VM], asked: Collection[VM] = ()) -> ClusterTexts:
    """Return the documents of the cluster for a caller.

    Args:
        draft: tells who is in which VM group.
        vms: those that want a host, in the view as far as they do; leases that wait are added.
        asked: others that the view is made for.
    """
    memory, documents = call.engine.turns.memory, call.engine.documents
    leases = [vm for vm in memory.vms.values() if "HAIZEA" in vm.user_template]
    takes_any = any(undecided(vm.template) for vm in (*vms, *leases, *asked))
    uids = {vm.uid for vm in (*vms, *leases, *asked)}
    hidden = frozenset(one.id for one in memory.hosts.values() if not allowed(call.caller, Right.USE, "HOST", one))
    return ClusterTexts(
        hosts=documents.host_pool(list(memory.hosts.values())),
        clusters=documents.cluster_pool(list(memory.clusters.values())),
        datastores=documents.datastore_pool(list(memory.datastores.values())),
        vms=documents.vm_pool_extended({vm.id: vm for vm in (*vms, *leases)}.values()),
        leases=tuple(documents.vm_as_if(vm) for vm in leases if vm.state.state in _STARTED),
        groups=tuple(_group(draft, group) for group in memory.vm_groups.values()),
        hidden_ids=hidden,
        now=draft.now,
        networks=documents.network_pool(list(memory.networks.values())) if takes_any else None,
        barred_host_ids={uid: ids for uid in uids if (ids := barred_hosts(memory, uid))},
        users=tuple(map(memory.caller, memory.users.values())) if takes_any else (),
    )


def _group(draft: Draft, group: VmGroup) -> GroupView:
    return GroupView(group, {vm_id: role for role, ids in draft.members_of(group.id).vms.items() for vm_id in ids})


def wanting_document(call: Call, vm: VM) -> str:
    """Return the document of a VM as if it wanted a host now: another one when it is on one already."""
    if vm.state.state in _WAIT_FOR_A_HOST:
        return call.engine.documents.vm_as_if(replace(vm, state=VmState.PENDING))
    return call.engine.documents.vm_as_if(replace(vm, state=VmState.RUNNING, resched=True))


def wanting(document: str) -> WaitingVm:
    """Return the VM of a `wanting_document`."""
    (vm,) = waiting_vms(document)
    return vm


def pace_of(settings: Settings) -> Pace:
    """Return how fast the scheduler takes VMs to come and go."""
    return Pace(**asdict(settings.leases))


def names_of(view: View) -> Callable[[int], str]:
    """Return what tells the name of a host of a view by its id; empty for none."""
    names = {host.id: host.name for host in view.hosts}
    return lambda host_id: names.get(host_id, "")


def _text(escaped: Escaped) -> str:
    return "".join(map(unescape, escaped.chunks))  # one by one: a whole pool at once would hold up the other threads
