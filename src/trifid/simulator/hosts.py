"""What is true outside: hosts with their domains, whatever the engine believes."""

from collections.abc import Collection

import msgspec

from trifid.simulator.broken import Broken
from trifid.simulator.clock import Clock
from trifid.simulator.files import NO_IMAGE, File, Files, vm_of

DISK = "disk."


class Domain(msgspec.Struct, eq=False):
    """A virtual machine that a hypervisor has.

    Attributes:
        directory: where its disks are.
        disks, nics: what it has, by the number in its template.
        is_paused: it is there and does not run.
        booted: counts its starts, so that what was meant for an earlier one misses it.
    """

    vm_id: int
    directory: str
    disks: set[str]
    nics: set[str]
    is_paused: bool = False
    booted: int = 0


class SimulatedHost(msgspec.Struct, eq=False):
    """A machine that runs VMs.

    Attributes:
        is_reachable: drivers can talk to it.
        is_silent: while it cannot be reached, nobody says so.
        is_powered: it has power.
        cycles: how often it lost that: nothing that was under way on it outlives one.
        domains: by VM id.
    """

    name: str
    cpu_percent: int
    memory_kib: int
    is_reachable: bool = True
    is_silent: bool = False
    is_powered: bool = True
    cycles: int = 0
    domains: dict[int, Domain] = {}


class Hosts:
    """All hosts; what they do to domains keeps the rules of the world, or breaks the simulation.

    Attributes:
        fences: (driver family, VM id) to the highest step number that was seen; survives everything.
        forgotten: VMs that the engine was told to forget: what remains of them is nobody's fault.
        forgotten_images: the same of images.
    """

    def __init__(self, clock: Clock, files: Files) -> None:
        self.by_name: dict[str, SimulatedHost] = {}
        self.files = files
        self.fences: dict[tuple[str, int], int] = {}
        self.forgotten: set[int] = set()
        self.forgotten_images: set[int] = set()
        self._clock = clock
        self._boots = 0

    def where(self, vm_id: int) -> list[str]:
        """Return the names of the hosts that have a domain of a VM."""
        return [host.name for host in self.by_name.values() if vm_id in host.domains]

    def disks(self, machine: str, domain: Domain) -> dict[str, File]:
        """Return the files of a domain's disks by their number."""
        inside = self.files.of(machine, domain.directory)
        return {number: inside[DISK + number] for number in sorted(domain.disks) if DISK + number in inside}

    def start(self, host: SimulatedHost, domain: Domain, memory: File | None = None) -> None:
        """Have a domain run, anew or out of its saved memory.

        Raises:
            Broken: it runs elsewhere, or its memory is not that of its disks.
        """
        vm_id = domain.vm_id
        elsewhere = [name for name in self.where(vm_id) if name != host.name]
        if elsewhere:
            raise Broken(f"vm {vm_id} is started on {host.name} and is on {', '.join(elsewhere)}")
        disks = self.disks(host.name, domain)
        for number, writes in ((memory.saw if memory else None) or {}).items():
            if number in disks and disks[number].writes != writes:
                raise Broken(
                    f"vm {vm_id} is restored on {host.name} over disk {number}, which changed after it was saved"
                )
        for file in disks.values():
            file.writes += 1
            file.precious = True
        self._boots += 1
        domain.booted = self._boots
        host.domains[vm_id] = domain

    def treasure(self, host: SimulatedHost, vm_id: int) -> None:
        """A domain was given to its owner: what is on its disks from now on is worth something."""
        domain = host.domains.get(vm_id)
        if domain is not None:
            for file in self.disks(host.name, domain).values():
                file.precious = True

    def end(self, host: SimulatedHost, vm_id: int) -> None:
        """Have a domain be gone."""
        domain = host.domains.pop(vm_id, None)
        if domain is not None:
            for file in self.disks(host.name, domain).values():
                if file.image_id == NO_IMAGE or vm_id not in self.forgotten:
                    file.writes += 1

    def save(self, host: SimulatedHost, vm_id: int, checkpoint: str) -> None:
        """Write a domain's memory to a file beside its disks, and end it."""
        domain = host.domains[vm_id]
        self.end(host, vm_id)
        seen = {number: file.writes for number, file in self.disks(host.name, domain).items()}
        self.files.make(host.name, checkpoint, vm_id, saw=seen)

    def move(self, source: SimulatedHost, target: SimulatedHost, vm_id: int) -> None:
        """Move a running domain, its disks as well where they are not shared."""
        domain = source.domains.pop(vm_id)
        self.files.move((source.name, domain.directory), (target.name, domain.directory))
        if self.where(vm_id):
            raise Broken(f"vm {vm_id} is moved to {target.name} and is on {', '.join(self.where(vm_id))}")
        target.domains[vm_id] = domain

    def move_with_disks(self, source: SimulatedHost, target: SimulatedHost, vm_id: int) -> None:
        """Move a running domain with what is in its disks; what is left of them at the source gets old."""
        domain = source.domains.pop(vm_id)
        if self.where(vm_id):
            raise Broken(f"vm {vm_id} is moved to {target.name} and is on {', '.join(self.where(vm_id))}")
        for number, file in self.disks(source.name, domain).items():
            self.files.copy_one(file, target.name, f"{domain.directory}/{DISK}{number}")
        target.domains[vm_id] = domain
        for file in self.disks(target.name, domain).values():
            file.writes += 1

    def refuse_in_use(self, machine: str, path: str) -> None:
        """Raise Broken for a directory, or a disk in it, that a running domain has open."""
        place = self.files.place(machine, path)
        for host in self.by_name.values():
            for domain in host.domains.values():
                directory = self.files.place(host.name, domain.directory)
                if place == directory:
                    raise Broken(
                        f"vm {domain.vm_id}: {machine}:{path} is taken away while its domain is on {host.name}"
                    )
                if any(place == (directory[0], f"{directory[1]}/{DISK}{number}") for number in domain.disks):
                    raise Broken(f"vm {domain.vm_id}: {machine}:{path} is taken away while its domain has it open")

    def refuse_image_in_use(self, image: File, users: Collection[int]) -> None:
        """Raise Broken for an image that a VM has as a disk, in its place.

        A link that nobody opens may be left of a disk that was to be attached, was not, and could not be removed.

        Args:
            users: ids of the VMs whose records name the image.
        """
        for _, directory in self.files.links_of(image):
            vm_id = vm_of(directory)
            if vm_id not in self.forgotten and (vm_id in users or self._has_open(vm_id, image)):
                raise Broken(f"image {image.image_id} is changed or taken away while vm {vm_id} has it as a disk")

    def _has_open(self, vm_id: int, image: File) -> bool:
        """Tell whether a domain of a VM, wherever it is, has an image as a disk."""
        return any(
            image in self.disks(host.name, host.domains[vm_id]).values()
            for host in self.by_name.values()
            if vm_id in host.domains
        )

    def fall(self, host: SimulatedHost) -> None:
        """A host loses its power: all domains are gone, its disks are not."""
        for vm_id in list(host.domains):
            self.end(host, vm_id)

    def check_fence(self, family: str, vm_id: int, step: int) -> str:
        """Remember a step number; return why it is out of date, or nothing."""
        seen = self.fences.get((family, vm_id), 0)
        if step < seen:
            return f"step {step} is out of date, step {seen} was seen already"
        self.fences[(family, vm_id)] = step
        return ""
