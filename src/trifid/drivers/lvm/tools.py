"""LVM's commands, and what they tell: the volumes of a group and its thin pool.

All volumes are thin, of one pool.  Of a pool only one machine may have volumes in use at a time, whatever storage
they share, so this is the machine that runs the VMs.  Source: lvmthin(7), lvcreate(8), lvs(8), lvmreport(7),
lvmlockd(8).

A command is in a session of its own: ended half-way, with the engine or by a cancelled request, it could leave a
device suspended and whoever uses that waiting for ever.  So one may still be at work, or wait for the group's lock,
when the next driver begins; that is why a volume is removed by its UUID, which no later one of its name has.
"""

import msgspec

from trifid.drivers.kit import Failure, Request
from trifid.drivers.lvm import names
from trifid.drivers.lvm.settings import Settings

MIB = 1 << 20
_UNINTERRUPTED = ("setsid", "--fork", "--wait")
_FIELDS = "vg_name,lv_name,lv_uuid,lv_size,lv_tags,pool_lv,lv_attr,data_percent,vg_extent_size"
_ACTIVE, _ZEROED = (4, "a"), (7, "z")
"""Letters of lv_attr (lvs(8))."""


class Volume(msgspec.Struct, frozen=True):
    """A volume, or the pool, as lvs tells it; sizes in bytes."""

    group: str = msgspec.field(name="vg_name")
    name: str = msgspec.field(name="lv_name")
    uuid: str = msgspec.field(name="lv_uuid")
    size: int = msgspec.field(name="lv_size")
    told_tags: str = msgspec.field(name="lv_tags")
    pool: str = msgspec.field(name="pool_lv")
    attributes: str = msgspec.field(name="lv_attr")
    data_percent: str
    extent: int = msgspec.field(name="vg_extent_size")

    @property
    def place(self) -> names.Place:
        """Where it is."""
        return names.Place(self.group, self.name)

    @property
    def tags(self) -> frozenset[str]:
        """Its tags."""
        return frozenset(self.told_tags.split(","))

    @property
    def is_part(self) -> bool:
        """Whether it is not complete."""
        return names.PART_TAG in self.tags

    @property
    def is_thin(self) -> bool:
        """Whether it is a thin volume."""
        return self.attributes.startswith("V") and bool(self.pool)

    @property
    def is_active(self) -> bool:
        """Whether it has a device."""
        at, letter = _ACTIVE
        return self.attributes[at : at + 1] == letter

    @property
    def is_zeroed(self) -> bool:
        """Whether what was never written reads as zeros, also next to what was."""
        at, letter = _ZEROED
        return self.attributes[at : at + 1] == letter

    def is_own(self, engine_id: str) -> bool:
        """Tell whether this engine made it."""
        return {names.TAG, names.engine_tag(engine_id)} <= self.tags


class _Part(msgspec.Struct):
    lv: list[Volume]


class _Report(msgspec.Struct):
    report: list[_Part]


class Lvm:
    """LVM's commands during one request."""

    def __init__(self, request: Request, settings: Settings) -> None:
        self.request = request
        self.settings = settings

    def volumes(self, group: str = "") -> list[Volume]:
        """Return what a group has; all groups' when none is named.

        Raises:
            Failure: there is no such group.
        """
        of_group = (group,) if group else ()
        asked = ("--reportformat", "json", "--units", "b", "--nosuffix", "-o", _FIELDS)
        told = self._run("lvs", *asked, *of_group)
        try:
            report = msgspec.json.decode(told, type=_Report, strict=False)
        except msgspec.MsgspecError as fault:
            raise Failure(f"lvs said what is not known here: {fault}") from fault
        return [volume for part in report.report for volume in part.lv]

    def create(self, place: names.Place, size: int) -> None:
        """Make an empty volume of so many bytes, or more: groups count in extents.  It is not complete.

        Raises:
            Failure: there is no pool, or no room for it.
        """
        asked = f"{-(-size // MIB)}m"
        named = ("-n", place.name, *self._tags(), "--addtag", names.PART_TAG)
        self._run("lvcreate", "-y", "-V", asked, "--thinpool", self.settings.pool, *named, place.group)

    def snapshot(self, origin: Volume, name: str, *, is_kept: bool = False) -> None:
        """Make a thin snapshot in the group of its origin, which may be in use.

        Args:
            is_kept: it is only kept, and has no device until something is made of it.

        Raises:
            Failure: it cannot be made.
        """
        skips = () if is_kept else ("-kn",)
        named = ("-n", name, *self._tags())
        self._run("lvcreate", "-y", "-s", *skips, *named, f"{origin.group}/{origin.name}")

    def remove(self, volume: Volume) -> None:
        """Remove just this volume; one that is gone is no fault.

        Raises:
            Failure: it is in use.
        """
        self._run("lvremove", "-y", "-S", f"lv_uuid={volume.uuid}", volume.group)

    def rename(self, group: str, name: str, new: str) -> None:
        """Give a volume another name.

        Raises:
            Failure: it is not there, or the name is taken.
        """
        self._run("lvrename", group, name, new)

    def extend(self, volume: Volume, size: int) -> None:
        """Make a volume so many bytes large.

        Raises:
            Failure: it is as large already.
        """
        self._run("lvextend", "-y", "-L", f"{-(-size // MIB)}m", f"{volume.group}/{volume.name}")

    def complete(self, volume: Volume) -> None:
        """Say of a volume that everything is in it."""
        self._run("lvchange", "--deltag", names.PART_TAG, f"{volume.group}/{volume.name}")

    def activate(self, volume: Volume) -> None:
        """Give a volume its device; it may have been without since the machine was switched on."""
        if not volume.is_active:
            self._run("lvchange", "-ay", "-K", f"{volume.group}/{volume.name}")

    def _tags(self) -> tuple[str, ...]:
        return "--addtag", names.TAG, "--addtag", names.engine_tag(self.settings.engine_id)

    def _run(self, *argv: str) -> str:
        as_root = ("sudo", "-n") if self.settings.has_sudo else ()
        return self.request.run(*_UNINTERRUPTED, *as_root, *argv)
