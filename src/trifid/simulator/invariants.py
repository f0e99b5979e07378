"""What must hold: after every step, at rest, and when everything has been deleted."""

from trifid.core.ledger import Share, charged_hosts
from trifid.core.network.address import format_mac
from trifid.core.quota_usage import recomputed
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState as S
from trifid.core.vm.table import TRANSIENT
from trifid.engine.engine import Engine
from trifid.engine.memory import Memory
from trifid.simulator.broken import Broken
from trifid.simulator.files import NO_IMAGE, NO_VM, File, vm_of
from trifid.simulator.hosts import Domain, Hosts
from trifid.simulator.image_invariants import check_catalogue, check_images_at_rest, check_waiting
from trifid.simulator.life import DATASTORES, FRONTEND
from trifid.simulator.placing import check_nobody_starves
from trifid.simulator.request import APART
from trifid.simulator.store import Durable

_CARRIED_NOWHERE = {2, 1, 4, 5, 6, 8, 9}
"""Values of STATE in which no host is charged; PAUSED aside, whose domain is there."""
_MARKS = {"DISK": ("ATTACH", "RESIZE", "SAVEAS"), "NIC": ("ATTACH",), "SNAPSHOT": ("ACTION",)}


def check_vm(memory: Memory, vm: VM) -> None:
    """Check one VM of which something changed."""
    name = f"vm {vm.id} in {vm.state.name}"
    if [record.seq for record in vm.history] != list(range(len(vm.history))):
        raise Broken(f"{name}: its history has gaps: {[record.seq for record in vm.history]}")
    if any(not record.etime for record in vm.history[:-2]):
        raise Broken(f"{name}: an old history record is still open")
    action = memory.actions.get(vm.id)
    if action is not None and action.step != vm.step:
        raise Broken(f"{name}: its action has step {action.step}, it has step {vm.step}")
    if action is None and vm.state in TRANSIENT:
        raise Broken(f"{name}: it waits for a driver that is asked nothing")
    if vm.state.state in _CARRIED_NOWHERE and vm.state is not S.PAUSED and charged_hosts(vm):
        raise Broken(f"{name}: it is charged on hosts {sorted(charged_hosts(vm))}")
    if vm.state is S.RUNNING and charged_hosts(vm) != {vm.current.host_id}:
        raise Broken(f"{name}: it runs on host {vm.current.host_id} and is charged on {sorted(charged_hosts(vm))}")
    if action is None or vm.state is S.RUNNING:
        _check_marks(vm, name)
    _check_leases(memory, vm, name)
    check_waiting(memory, vm)


def _check_marks(vm: VM, name: str) -> None:
    for vector_name, keys in _MARKS.items():
        for vector in vm.template.vectors(vector_name):
            if any(key in vector for key in keys):
                raise Broken(f"{name}: nothing is being done, and yet {vector_name} is marked: {vector}")
    if "RESIZE_PREV" in vm.template or any(one.pending for of in vm.disk_snapshots for one in of.snapshots):
        raise Broken(f"{name}: nothing is being done, and yet a size or a snapshot is pending")
    for vector_name in ("DISK", "NIC"):
        numbers = [vector.get(f"{vector_name}_ID") for vector in vm.template.vectors(vector_name)]
        if len(numbers) != len(set(numbers)):
            raise Broken(f"{name}: two {vector_name}s have one number: {numbers}")


def _check_leases(memory: Memory, vm: VM, name: str) -> None:
    held = {(str(key[0]), format_mac(memory.leases[key].mac)) for key in memory.leases_of.get(vm.id, ())}
    nics = [nic for nic in vm.template.vectors("NIC") if "NETWORK_ID" in nic]
    wanted = {(nic["NETWORK_ID"], nic.get("MAC", "")) for nic in nics}
    if held != wanted or len(wanted) != len(nics):
        raise Broken(f"{name}: it holds leases {sorted(held)}, its NICs are {sorted(wanted)}")


def check_memory(memory: Memory, durable: Durable) -> None:
    """Check what is the sum of many: usage, leases, and that memory is not ahead of the store."""
    shares: dict[int, Share] = {}
    usages: dict[int, Share] = {}
    for vm in memory.vms.values():
        for host_id in charged_hosts(vm):
            shares[host_id] = shares.get(host_id, Share()).plus(vm.needs, 1)
            usages[vm.uid] = usages.get(vm.uid, Share()).plus(vm.needs, 1)
    if memory.shares != shares:
        raise Broken(f"hosts carry {shares} and are charged with {memory.shares}")
    if memory.usages != usages:
        raise Broken(f"users have {usages} and are told to have {memory.usages}")
    check_usage(memory)
    _check_apart(memory)
    for lease in memory.leases.values():
        if lease.vm_id not in memory.vms:
            raise Broken(f"vm {lease.vm_id} is gone and holds the lease {lease.key}")
    for vm_id in memory.actions:
        if vm_id not in memory.vms:
            raise Broken(f"vm {vm_id} is gone and a driver is asked for it")
    check_catalogue(memory)
    if memory.journal_id > durable.journal_id:
        raise Broken("memory knows what is not durable")


def check_usage(memory: Memory) -> None:
    """Check that what users and groups are told to have, and limited by, is what the records say."""
    records = memory.vms.values(), memory.images.values(), memory.networks, memory.leases.values()
    if (usage := recomputed(*records)) != memory.usage:
        raise Broken(f"users and groups have {usage} and are told to have {memory.usage}")


def _check_apart(memory: Memory) -> None:
    """Check that no two VMs run on one host that are kept apart: all who put some there were asked to keep the rule."""
    for group_id, of in memory.members.groups.items():
        for host_id, vm_ids in of.places.get(APART, {}).items():
            running = sorted(vm_id for vm_id in vm_ids if memory.vms[vm_id].state is S.RUNNING)
            if len(running) > 1:
                raise Broken(f"vms {running} of group {group_id} are kept apart, and run on host {host_id}")


def check_durable(memory: Memory, durable: Durable) -> None:
    """Check that memory is what a start would read."""
    fresh = Memory(durable.load())
    for name, value in vars(fresh).items():
        if getattr(memory, name) != value:
            raise Broken(f"memory and store differ in {name}")


def check_at_rest(engine: Engine, hosts: Hosts, durable: Durable, names: dict[int, str]) -> None:
    """Check that nothing is under way, that memory is what is durable, and that the world is as the engine believes."""
    memory = engine.turns.memory
    for vm in memory.vms.values():
        if vm.state in TRANSIENT or vm.id in memory.actions:
            raise Broken(f"vm {vm.id} is stuck in {vm.state.name}, nothing has gone wrong for a while")
    for outbox, of in ((engine.outbox, "VM"), (engine.images, "image")):
        if not outbox.is_idle:
            raise Broken(f"the outbox waits for something, and no {of} does")
    check_usage(memory)
    check_nobody_starves(memory)
    check_images_at_rest(memory, hosts, FRONTEND)
    check_durable(memory, durable)
    for vm in memory.vms.values():
        _check_domain(hosts, vm)
    for host in hosts.by_name.values():
        for vm_id in host.domains:
            if vm_id not in memory.vms and vm_id not in hosts.forgotten:
                raise Broken(f"vm {vm_id} is DONE and its domain is on {host.name}")
    for vm_id, vm_name in names.items():
        if vm_id not in durable.vms:
            raise Broken(f"vm {vm_id} was acknowledged and is nowhere")
        if vm_name and durable.vms[vm_id].name != vm_name:
            raise Broken(f"vm {vm_id} was named {vm_name}, which was acknowledged, and is {durable.vms[vm_id].name}")


def _check_domain(hosts: Hosts, vm: VM) -> None:
    where = hosts.where(vm.id)
    if vm.state in (S.RUNNING, S.PAUSED):
        if where != [vm.current.hostname]:
            raise Broken(f"vm {vm.id} is {vm.state.name} on {vm.current.hostname}, its domain is on {where or 'none'}")
        _check_devices(hosts.by_name[where[0]].domains[vm.id], vm)
    elif where and vm.state not in (S.UNKNOWN_MIGRATE, S.UNKNOWN_MIGRATE_COPY):
        # Monitoring tells of a paused domain of a VM that failed, and only people decide what becomes of it.
        is_paused = all(hosts.by_name[name].domains[vm.id].is_paused for name in where)
        if not (is_paused and vm.state.name.endswith("FAILURE")):
            raise Broken(f"vm {vm.id} is {vm.state.name} and its domain is on {', '.join(where)}")


def _check_devices(domain: Domain, vm: VM) -> None:
    """Check that a domain has nothing that its VM has given back; what it lacks may have failed to be attached."""
    for name, has in (("DISK", domain.disks), ("NIC", domain.nics)):
        more = has - {vector[f"{name}_ID"] for vector in vm.template.vectors(name)}
        if more:
            raise Broken(f"vm {vm.id}: its domain has {name} {', '.join(sorted(more))}, its template has not")


def check_nothing_left(engine: Engine, hosts: Hosts, durable: Durable, saved_files: str) -> None:
    """Check that of VMs that were all deleted nothing is left.

    What a move could not remove from a host that the VM left is an older copy, which stays there.

    Args:
        saved_files: directory on the front-end where disks are saved for their owners.
    """
    memory = engine.turns.memory
    left = {
        "VMs": memory.vms,
        "leases": memory.leases,
        "usage": memory.shares,
        "actions": memory.actions,
        "images": memory.images,
        "kept templates": memory.vm_templates,
        "actions of images": memory.image_actions,
    }
    for what, remains in left.items():
        if remains:
            raise Broken(f"everything was deleted, and {what} remain: {remains}")
    for host in hosts.by_name.values():
        domains = set(host.domains) - hosts.forgotten
        if domains:
            raise Broken(f"everything was deleted, and {host.name} has domains of vms {sorted(domains)}")
    moved_from = {vm.id: {record.hostname for record in vm.history[:-1]} for vm in durable.vms.values()}
    for (machine, path), files in hosts.files.directories.items():
        if path.rpartition("/")[0] == DATASTORES:
            _check_no_image_left(hosts, f"{machine}:{path}", files)
            continue
        owners = {vm_of(path) if file.vm_id == NO_VM else file.vm_id for file in files.values()} - hosts.forgotten
        is_saved = path.startswith(saved_files) and path.rpartition("/")[2].isdigit()
        is_left_by_a_move = any(machine in moved_from.get(vm_id, ()) for vm_id in owners)
        if owners and not is_saved and not is_left_by_a_move:
            raise Broken(f"everything was deleted, and {machine}:{path} has {sorted(files)} of vm {sorted(owners)}")


def _check_no_image_left(hosts: Hosts, where: str, files: dict[str, File]) -> None:
    """Check that nothing is left of images, but what the engine was told to forget, or came too late for it."""
    for name, file in files.items():
        if file.image_id not in hosts.forgotten_images and file.image_id != NO_IMAGE:
            raise Broken(f"everything was deleted, and {where} has {name} of image {file.image_id}")
