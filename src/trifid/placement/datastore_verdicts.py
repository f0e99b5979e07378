"""Whether a VM's files have a system datastore when it is on a host: the rule, told with the numbers.

Source: reference/templates.md §2.2, §5.1.
"""

import msgspec

from trifid.core.image.datastore import DatastoreType
from trifid.core.template.requirement_parts import RequirementParts, requirement_parts
from trifid.core.vm.files import UNSHARED, needed_mib, why_unfit
from trifid.errors import BadTemplate
from trifid.placement.rule import Judge, Verdict
from trifid.placement.verdicts import against
from trifid.placement.view import DatastoreView, HostView, View, WaitingVm

_NAMED_MAX = 3
"""Datastores that a verdict names one by one."""


class _Room(msgspec.Struct, frozen=True):
    """A datastore that would take a VM's files on a host, whatever room it has; None = that was never told."""

    datastore: DatastoreView
    needed_mib: int
    free_mib: int | None

    @property
    def is_enough(self) -> bool:
        return self.free_mib is None or self.needed_mib <= self.free_mib


def datastore(vm: WaitingVm, view: View) -> Judge:
    """A system datastore must fit the VM's files and have room for them."""
    expression = vm.datastore_requirement
    try:
        parts = requirement_parts(expression.text, expression.dialect)
    except BadTemplate as bad:
        wrong = Verdict(False, f"{expression.attribute} is wrong: {bad.message}", "if it were corrected", 1.0)
        return lambda host: wrong
    systems = [one for one in view.datastores if one.record.type is DatastoreType.SYSTEM]
    return _Datastores(vm, parts, tuple(systems), view).judge


class _Datastores:
    def __init__(self, vm: WaitingVm, parts: RequirementParts, systems: tuple[DatastoreView, ...], view: View) -> None:
        self.vm = vm
        self.parts = parts
        self.systems = systems
        self.find = {one.record.id: one.record for one in view.datastores}.get

    def judge(self, host: HostView) -> Verdict:
        if not self.systems:
            return Verdict(False, 'there is no system datastore, add one with "onedatastore create"', lack=1.0)
        obstacles = [(one, self.obstacle(one, host)) for one in self.systems]
        rooms = [self.room(one, host) for one, obstacle in obstacles if obstacle is None]
        if enough := next((room for room in rooms if room.is_enough), None):
            return Verdict(True, self.told(enough))
        if rooms:
            return self.too_full(min(rooms, key=_lacking_mib))
        told = [f"{_called(one)} {obstacle.text}" for one, obstacle in obstacles[:_NAMED_MAX] if obstacle]
        if len(obstacles) > _NAMED_MAX:
            told.append(f"and {len(obstacles) - _NAMED_MAX} more")
        nearest = min((obstacle for _, obstacle in obstacles if obstacle), key=lambda one: (not one.change, one.lack))
        return Verdict(False, "; ".join(told), nearest.change, nearest.lack)

    def obstacle(self, one: DatastoreView, host: HostView) -> Verdict | None:
        """Return why a datastore cannot take the VM's files on a host, whatever room it has."""
        why = why_unfit(one.record, self.vm.files, cluster_id=host.cluster_id, hostname=host.name, find=self.find)
        if why:
            change = f"if datastore {_called(one)} were enabled" if why.startswith("is DISABLED") else ""
            return Verdict(False, why, change, 0.5 if change else 1.0)

        def lookup(name: str) -> list[str]:
            return _values_of(one, host, name)

        unmet = self.parts.obstacle(lookup)
        return against(unmet, self.vm.datastore_requirement.attribute, lookup, "it has") if unmet else None

    def room(self, one: DatastoreView, host: HostView) -> _Room:
        record = one.record
        return _Room(one, needed_mib(self.vm.files, record.id, record.tm_mad), _free_mib(one, host))

    def too_full(self, room: _Room) -> Verdict:
        lacking = _lacking_mib(room)
        change = f"with {lacking} MiB more room in datastore {_called(room.datastore)}"
        return Verdict(False, self.told(room), change, min(1.0, lacking / max(room.needed_mib, 1)))

    def told(self, room: _Room) -> str:
        if room.free_mib is None:
            return f"{_called(room.datastore)}: needs {room.needed_mib} MiB, how much is free was not told yet"
        return f"{_called(room.datastore)}: needs {room.needed_mib} MiB, {max(room.free_mib, 0)} free"


def _called(one: DatastoreView) -> str:
    return f"{one.record.name} [{one.record.id}]"


def _lacking_mib(room: _Room) -> int:
    return room.needed_mib - (room.free_mib or 0)


def _free_mib(one: DatastoreView, host: HostView) -> int | None:
    return host.free_disk_mib if one.record.tm_mad in UNSHARED else one.free_mib


def _values_of(one: DatastoreView, host: HostView, name: str) -> list[str]:
    """Return every occurrence of an attribute; FREE_MB of an unshared datastore is that of the host."""
    free_mib = _free_mib(one, host)
    return [str(max(free_mib, 0))] if name == "FREE_MB" and free_mib is not None else one.all_of(name)
