"""What goes over the line for an action: rendered from the VM's record when it is sent.

Transfer actions need a script file; it lies with the VM's files on the front-end and is written here.
"""

import errno
import logging
from collections.abc import Callable, Container, Sequence
from pathlib import Path

import msgspec

from trifid.core.template.cloud_init import seed_files
from trifid.core.template.context import context_sh
from trifid.core.vm.record import VM, Action, HistoryRecord
from trifid.core.vm.states import VmState
from trifid.core.vm.transfer import head_lines, transfer_lines
from trifid.store.interface import Batch
from trifid.wire import action_data

log = logging.getLogger("trifid.orders")

_FOR_DRIVERS = ("transfer.*", "context.sh", "cidata.*", "fence.*")
"""Files of a VM on the front-end that nobody needs once it is DONE; a context holds secrets."""
_NEED_CONTEXT = ("prolog", "resume", "context")
"""Transfer operations that may make a context image."""


class Order(msgspec.Struct, frozen=True):
    """One line to a driver: its first word and its payload."""

    word: str
    payload: str


class Orders:
    """Renders orders.

    Args:
        home: the engine's home.
        datastores: directory of the datastores, the same path on every host (shared transfer).
        frontend: how transfer scripts call this machine.
        vm_document: renders the full VM document for drivers.
        user_paths: where the files lie that any user may name.

    Attributes:
        place_of: tells the BASE_PATH of a datastore by its id, "" for none; set by the engine.
    """

    def __init__(
        self,
        home: Path,
        datastores: Path,
        frontend: str,
        vm_document: Callable[[VM], str],
        user_paths: Sequence[str] = (),
    ) -> None:
        self._home = home
        self._datastores = datastores
        self._frontend = frontend
        self._vm_document = vm_document
        self._user_paths = user_paths
        self.place_of: Callable[[int], str] = lambda datastore_id: ""

    def render(self, vm: VM, action: Action) -> Order:
        """Return the order for an action, with its files written.

        Raises:
            OSError: a file could not be written.
        """
        if action.family == "tm":
            return Order("TRANSFER", str(self._write_script(vm, action)))
        return Order(action.verb, self._vmm_payload(vm, action))

    def committed(self, batch: Batch) -> None:
        """Remove what the front-end kept for the drivers of VMs that are DONE; saved disks stay."""
        for vm_id, vm in batch.vms.items():
            if vm is None or vm.state is VmState.DONE:
                self._tidy(self._home / "vms" / str(vm_id))

    def tidy(self, alive: Container[int]) -> None:
        """Remove the same of all VMs but these, at the engine's start: it may have been killed before it did.

        Args:
            alive: ids of the VMs that are not DONE.
        """
        for files in (self._home / "vms").glob("*"):
            if files.name.isdecimal() and int(files.name) not in alive:
                self._tidy(files)

    def _tidy(self, files: Path) -> None:
        try:
            for pattern in _FOR_DRIVERS:
                for path in files.glob(pattern):
                    path.unlink()
            files.rmdir()
        except FileNotFoundError:
            return
        except OSError as fault:
            if fault.errno != errno.ENOTEMPTY:
                log.warning("%s cannot be removed: %s", files, fault.strerror)

    def directory(self, vm: VM, record: HistoryRecord) -> Path:
        """Return the VM's directory on a host."""
        return self._datastores / str(record.datastore_id) / str(vm.id)

    def _vmm_payload(self, vm: VM, action: Action) -> str:
        record = vm.previous if action.previous else vm.current
        directory = self.directory(vm, record)
        return action_data.render(
            action_data.ActionData(
                host=record.hostname,
                migrate_host=vm.current.hostname if action.previous else "",
                deploy_id=vm.deploy_id or f"one-{vm.id}",
                local_deployment_file="",
                remote_deployment_file=str(directory / f"deployment.{record.seq}"),
                checkpoint_file=str(directory / f"checkpoint.{_saved_in(vm, action)}"),
                disk_target_path=str(directory),
                step=action.step,
                vm=self._vm_document(vm),
                datastore="",
            )
        )

    def _write_script(self, vm: VM, action: Action) -> Path:
        files = self._home / "vms" / str(vm.id)
        files.mkdir(parents=True, exist_ok=True)
        context = vm.template.vector("CONTEXT")
        if action.verb in _NEED_CONTEXT and context:
            path = files / "context.sh"
            path.touch(mode=0o600)
            path.write_text(context_sh(context), encoding="utf-8")
            if context.get("CIDATA_TARGET"):
                _write_seed(vm, files)
        lines = transfer_lines(
            vm,
            action.verb,
            tm=vm.current.tm,
            frontend=self._frontend,
            datastores=str(self._datastores),
            vm_files=str(files),
        )
        script = files / f"transfer.{vm.current.seq}.{action.verb}"
        part = script.with_suffix(".part")
        head = [f"# trifid step {action.step}", *head_lines(vm, self._user_paths), *self._group_lines(vm)]
        part.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
        part.replace(script)  # a driver that is still at an older sending never reads half of it
        return script

    def _group_lines(self, vm: VM) -> list[str]:
        """Return what a script's head says of a system datastore that is a volume group."""
        place = self.place_of(vm.current.datastore_id)
        return [f"# trifid datastore {vm.current.datastore_id} {place}"] if place.startswith("/dev/") else []


def _write_seed(vm: VM, files: Path) -> None:
    """Write what cloud-init is told beside context.sh, for the CONTEXT command to make a CD of."""
    made = seed_files(
        vm.template.vector("CONTEXT"),
        vm.template.vectors("NIC"),
        instance_id=f"one-{vm.id}-{vm.stime}",
        name=vm.name,
    )
    for path in files.glob("cidata.*"):
        if path.name.removeprefix("cidata.") not in made:
            path.unlink()
    for name, text in made.items():
        path = files / f"cidata.{name}"
        path.touch(mode=0o600)
        path.write_bytes(text)


def _saved_in(vm: VM, action: Action) -> int:
    """Return the number of the stay whose memory a checkpoint holds: RESTORE takes what was saved last.

    It is part of the file's name, so that what an earlier stay left is never met by later disks.  A VM
    saved by an engine that did not note it yet was saved in the stay before.
    """
    if action.verb == "RESTORE" and vm.saved_seq >= 0:
        return vm.saved_seq
    is_before = action.previous or (action.verb == "RESTORE" and len(vm.history) > 1)
    return (vm.previous if is_before else vm.current).seq
