"""one.vm.resize, diskresize and updateconf: what a VM asks of its host, and what it is told at its next boot."""

from msgspec.structs import replace

from trifid.core.ledger import charged_hosts, check_room
from trifid.core.template.attributes import BESIDE_MACHINE
from trifid.core.template.configure import CONFIGURABLE, changes, check_configuration, configured
from trifid.core.template.model import Template
from trifid.core.template.prepare import needs_of
from trifid.core.template.validate import check_values
from trifid.core.vm import events
from trifid.core.vm.changes import snapshots_of
from trifid.core.vm.placed import VOLUMES
from trifid.core.vm.record import VM, Needs
from trifid.core.vm.states import VmState
from trifid.engine.clusters import host_in_cluster
from trifid.engine.context import with_context
from trifid.engine.displays import with_password
from trifid.engine.life import happen
from trifid.engine.limits import limits_of, refuse_restricted
from trifid.engine.new_images import refuse_full
from trifid.engine.transaction import Draft
from trifid.engine.used_files import files_of
from trifid.errors import BadTemplate, Refused
from trifid.methods.common import BadUpdate, is_merge, parse_update
from trifid.methods.registry import Call, method
from trifid.methods.vm_devices import disk_of
from trifid.methods.vm_requests import requested, vm_for

_CAPACITY = ("CPU", "MEMORY", "VCPU")
_BESIDE = tuple(name for name in CONFIGURABLE if name in BESIDE_MACHINE)


@method("one.vm.resize")
async def resize(call: Call, vm_id: int, template: str, enforce: bool = True) -> int:
    """Change CPU, MEMORY and VCPU of a VM, running or at rest; only administrators may exceed a host's room.

    Those that are left out stay as they are.
    """
    given = parse_update(template)
    wrong = [name for name, _ in given if name not in _CAPACITY]

    def make(draft: Draft, vm: VM) -> events.Request:
        refuse_restricted(call.caller, given, limits_of(call.engine.config), vm.template)
        if wrong or not given:
            found = ", ".join(wrong)[:200] or "nothing"
            raise BadTemplate(f"resize takes one or more of {', '.join(_CAPACITY)}, found {found}")
        check_values(given)
        attributes = {name: value for name, value in given if isinstance(value, str) and value}
        changed = vm.template
        for name, value in attributes.items():
            changed = changed.replacing(name, value)
        needs = needs_of(changed)
        if enforce or not call.caller.is_admin:
            _check_room(draft, vm, needs)
        return events.Resize(attributes=attributes, needs=needs)

    return (await requested(call, vm_id, make)).id


def _check_room(draft: Draft, vm: VM, needs: Needs) -> None:
    """Raise Refused unless the hosts that carry the VM have room for what it asks more than now."""
    more = Needs(max(0, needs.cpu_percent - vm.needs.cpu_percent), max(0, needs.memory_mib - vm.needs.memory_mib))
    for host_id in charged_hosts(vm) if more != Needs() else ():
        host = draft.find_host(host_id)
        if host is not None:
            check_room(
                host_in_cluster(draft, host),
                draft.share(host_id),
                more,
                "ask less, or move the VM to another host first",
            )


@method("one.vm.diskresize")
async def resize_disk(call: Call, vm_id: int, disk_id: int, size: str) -> int:
    """Make a disk larger, running or powered off; the size is in MiB, as text."""

    def make(draft: Draft, vm: VM) -> events.Request:
        disk = disk_of(vm, disk_id)
        if not (size.isascii() and size.isdigit()) or len(size) > 12 or int(size) == 0:
            raise Refused(f'New disk size must be a whole number of MiB, is "{size[:40]}"', vm.id)
        if disk.get("TYPE", "").upper() in ("CDROM", "FLOPPY") or disk.get("READONLY", "").upper() == "YES":
            raise Refused(f"DISK {disk_id} of VM {vm.id} is read-only, its size stays", vm.id)
        if vm.state is VmState.RUNNING and vm.current.tm == VOLUMES:
            raise Refused(f"DISK {disk_id} of VM {vm.id} is a volume: power the VM off before it grows", vm.id)
        if snapshots_of(vm, disk_id).snapshots:
            raise Refused(f"DISK {disk_id} of VM {vm.id} has snapshots: delete them first", vm.id)
        old = disk.get("SIZE", "")
        if old.isdigit() and int(size) <= int(old):
            raise Refused(
                f"New disk size has to be greater than current one: DISK {disk_id} has {old} MiB, {size} were asked",
                vm.id,
            )
        if disk.get("PERSISTENT") == "YES":
            datastore = draft.datastore(int(disk["DATASTORE_ID"]))
            grown = int(size) - int(old or 0)
            refuse_full(draft, datastore, grown, call.engine.documents.space_of(datastore.id))
        return events.DiskResize(disk_id=disk_id, size_mib=int(size))

    return (await requested(call, vm_id, make)).id


@method("one.vm.updateconf")
async def update_configuration(call: Call, vm_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) what a VM is told at its next boot, which may run meanwhile: OS, FEATURES, INPUT,
    GRAPHICS, VIDEO, RAW, CPU_MODEL, TPM, WATCHDOG, CONSOLE, CONTEXT.

    CONTEXT stays unless another is given, and cannot be added to a VM that was made without one.
    """
    merges, given = is_merge(append), parse_update(template)

    def command(draft: Draft) -> int:
        vm = vm_for(call, draft, vm_id)
        try:
            vm, wanted = _configured(call, draft, vm, given, merges)
        except BadTemplate as bad:
            raise BadUpdate(bad.message, vm_id) from bad
        happen(draft, vm, wanted, call.moment(draft.now))
        return vm_id

    return await call.ask(command)


def _configured(call: Call, draft: Draft, vm: VM, given: Template, merges: bool) -> tuple[VM, events.UpdateConf]:
    """Return the VM with what of it lies with the user's attributes, and the request for the rest."""
    old = vm.template.having(*vm.user_template.only(*_BESIDE))
    check_configuration(old, given)
    new_in_it = changes(old, given)
    limits = limits_of(call.engine.config)
    refuse_restricted(call.caller, new_in_it, limits)
    template = with_password(
        configured(old, given, merges=merges, is_admin=call.caller.is_admin, restricted=limits.restricted)
    )
    user_template = vm.user_template
    for name in _BESIDE:
        user_template = user_template.replacing(name, *template.all(name))
    template = template.without(*_BESIDE)
    if context := template.vector("CONTEXT"):
        told = new_in_it.vector("CONTEXT")
        if context.get("NETWORK", "").upper() == "YES":
            told = {**told, "NETWORK": context["NETWORK"]}
        if told:
            asked = replace(vm, template=template.replacing("CONTEXT", told), user_template=user_template)
            filled = with_context(draft, asked, call.caller).vector("CONTEXT")
            template = template.replacing("CONTEXT", {**context, **filled})
    if vm.state not in (VmState.PENDING, VmState.HOLD) and _booted(template) != _booted(old):
        raise Refused(
            f"VM {vm.id} was given its kernel already: KERNEL_DS and INITRD_DS change before it is deployed", vm.id
        )
    is_same = _references(template) == _references(old)
    files = None if is_same else files_of(draft, call.caller, template, may_wait=False)
    return replace(vm, user_template=user_template), events.UpdateConf(template=template, files=files)


def _references(template: Template) -> tuple[str, ...]:
    """Return what a template says about files of the catalogue."""
    return (*_booted(template), template.vector("CONTEXT").get("FILES_DS", ""))


def _booted(template: Template) -> tuple[str, ...]:
    """Return what a template says about the kernel of the catalogue that a VM boots; only a prolog brings it."""
    os = template.vector("OS")
    return (os.get("KERNEL_DS", ""), os.get("INITRD_DS", ""))
