"""One command of a script under way: its request, its operands as places on machines."""

from pathlib import Path

from trifid.drivers.kit import Failure, Request
from trifid.drivers.remote.host import Hosts
from trifid.drivers.tm import files, paths, work
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.ssh.place import Place

_NUMBER_MAX = 1 << 40


class Job:
    """One command.

    Attributes:
        request: whose script it is in.
        command: it.
    """

    def __init__(self, hosts: Hosts, request: Request, command: Command) -> None:
        self.request = request
        self.command = command
        self._hosts = hosts

    def stop(self) -> None:
        """Raise Failure when the engine does not want it any more."""
        if self.request.is_cancelled:
            raise Failure("cancelled by the engine")

    def operands(self, number: int) -> tuple[str, ...]:
        """Return the operands; raises Failure when they are more or fewer."""
        return work.operands(self.command, number)

    def progress(self, what: object) -> files.Progress:
        """Return what tells the VM's log how far a big copy is."""
        return work.progress(self.request, str(what))

    def place(self, operand: str) -> Place:
        """Return where `machine:/path` is; a path alone is on the front-end.

        Raises:
            Failure: it is no such thing.
        """
        name, colon, rest = operand.partition(":/")
        if operand.startswith("/") or not colon:
            return Place(self._hosts.here, paths.path_of(operand), self.stop)
        return Place(self._hosts.named(name), paths.path_of(f"/{rest}"), self.stop)

    def here(self, path: Path) -> Place:
        """Return a place on the front-end."""
        return Place(self._hosts.here, path, self.stop)

    def of_vm(self, operand: str) -> Place:
        """Return a place that is the VM's directory, or directly in it."""
        place = self.place(operand)
        paths.vm_directory(place.path, self.command.vm_id)
        return place

    def arrival(self, operand: str) -> Place:
        """Return where a file goes, in the VM's directory, which is made."""
        place = self.of_vm(operand)
        if paths.vm_directory(place.path, self.command.vm_id) == place.path:
            raise Failure("it is the directory of the vm, expected a file in it")
        place._replace(path=place.path.parent).make_directory()
        return place

    def disk(self, operand: str) -> Place:
        """Return a place that is a disk of the VM, in its datastore."""
        place = self.place(operand)
        paths.vm_disk(place.path, self.command.vm_id, self.command.datastore_id)
        return place

    def disk_or_copy(self, operand: str) -> Place:
        """Return a place that is a disk of the VM, or a copy of one, in its datastore."""
        place = self.place(operand)
        paths.vm_disk_or_copy(place.path, self.command.vm_id, self.command.datastore_id)
        return place

    def image(self, operand: str) -> Place:
        """Return a place that is an image of the catalogue, on the front-end."""
        place = self.place(operand)
        if not place.host.is_here:
            raise Failure(f"{place} is not on the front-end, expected an image of the catalogue")
        return self.here(paths.image(operand))

    def number(self, text: str, what: str) -> int:
        """Return a number among the operands; raises Failure when it is none."""
        if not (text.isascii() and text.isdigit() and int(text) < _NUMBER_MAX):
            raise Failure(f"{what} {text[:40]} is not a number")
        return int(text)
