"""A volume group for tests of the LVM drivers: a real one where the kernel has device-mapper, a recorded one else.

THE REAL ONE WAS NEVER RUN by those who wrote this: no kernel at hand has device-mapper.  See fake_lvm.py for what the
recorded one cannot show.  The tests print which of the two they used.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.drivers import fake_lvm, kills
from tests.drivers.tm_builders import VM, Listening, names_an_image, request
from trifid.drivers.ds import lvm as ds_lvm
from trifid.drivers.kit import Request
from trifid.drivers.lvm import names
from trifid.drivers.lvm.disks import commands_with
from trifid.drivers.lvm.settings import Settings
from trifid.drivers.lvm.tools import Lvm, Volume
from trifid.drivers.tm.commands import carry_out
from trifid.drivers.tm.script import Command
from trifid.wire.image_action import ImageActionData, render
from trifid.wire.lines import Message

MIB = 1 << 20
EXTENT_MIB = 4
ENGINE = "0123456789abcde"
IMAGE, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
NAME = "trifidtests"
MARKS = ("--addtag", names.TAG, "--addtag", names.engine_tag(ENGINE))
IMAGE_ID = 7


class Group:
    """A volume group with a thin pool.

    Attributes:
        devices: what stands for /dev.
        is_fake: whether it is recorded.
        state: directory of a recorded one.
    """

    def __init__(self, devices: Path, state: Path | None) -> None:
        self.devices = devices
        self.state = state or Path("/nonexistent")
        self.is_fake = state is not None
        self.base = devices / NAME
        self.settings = Settings(ENGINE, group=NAME, here=("host1", "host2"))

    def image(self, name: str = IMAGE) -> Path:
        """Where an image of the catalogue is."""
        return self.base / name

    def lvm(self, of: Request | None = None) -> Lvm:
        """LVM's commands."""
        return Lvm(of or request(), self.settings)

    def volumes(self) -> dict[str, Volume]:
        """What is in it, apart from the pool."""
        told = self._recorded() if self.is_fake else self.lvm().volumes(NAME)
        return {one.name: one for one in told if one.pool}

    def _recorded(self) -> list[Volume]:
        fake = fake_lvm.Fake(str(self.state))
        return [msgspec.convert(fake.row(name), Volume, strict=False) for name in sorted(fake.volumes)]

    def seen(self, *, with_contents: bool) -> dict[str, object]:
        """Names, sizes, tags and contents; those of kept snapshots too."""
        found: dict[str, object] = {}
        for one in self.volumes().values():
            suffix = ".part" if one.is_part else ""
            found[f"{NAME}/{one.name}{suffix}"] = (one.size, one.told_tags, with_contents and self.digest(one))
        return found

    def digest(self, volume: Volume) -> str:
        """What a volume holds."""
        path = self.state / "data" / volume.name if self.is_fake else volume.place.path
        if not self.is_fake:
            self.lvm().activate(volume)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, name: str) -> bytes:
        """What a volume holds, without the zeros at its end."""
        return (self.base / name).read_bytes().rstrip(b"\0")

    def write(self, name: str, data: bytes) -> None:
        """Write to the beginning of a volume, as a guest does."""
        with (self.base / name).open("r+b") as file:
            file.write(data)

    def make(self, name: str, data: bytes, *, size_mib: int = 8, tags: tuple[str, ...] = MARKS) -> Path:
        """A volume with something in it; its path."""
        words = ("-y", "-V", f"{size_mib}m", "--thinpool", "trifid", "-n", name, *tags, NAME)
        subprocess.run(["lvcreate", *words], check=True, capture_output=True)
        self.write(name, data)
        return self.base / name

    def restart(self, home: Path, fill: Callable[[], object]) -> None:
        """Remove all volumes, then let `fill` make some, and files in an empty home; it is the same one each time."""
        places = (home, self.state) if self.is_fake else ()
        kept = self.state.with_name("kept")
        if places and kept.is_dir():
            shutil.rmtree(self.state)
            for place in places:
                shutil.copytree(kept / place.name, place, symlinks=True, dirs_exist_ok=True, copy_function=_copy_sparse)
            return
        self.empty()
        fill()
        for place in places:
            shutil.copytree(place, kept / place.name, symlinks=True, copy_function=_copy_sparse)

    def empty(self) -> None:
        """Remove all volumes."""
        if self.is_fake:
            begin(self.state)
            return
        for volume in self.volumes().values():
            self.lvm().remove(volume)

    def set(self, **state: object) -> None:
        """Let a recorded group be otherwise: is_zeroed, is_pool_used, open."""
        fake_lvm.save(str(self.state), fake_lvm.load(str(self.state)) | state)

    # -- the drivers -----------------------------------------------------------------------------

    def do(self, line: str, of: Request | None = None, told: str = "raw", *, is_image: bool | None = None) -> None:
        """Carry out a line of a script, without its last two numbers when they are 42 and 0; as tm_builders.do."""
        words = line.split()
        numbers = (int(words.pop(-2)), int(words.pop())) if words[-1].isdigit() and words[-2].isdigit() else (VM, 0)
        if is_image is None:
            is_image = names_an_image(words[2:])
        command = Command(words[0], words[1], tuple(words[2:]), *numbers, told, is_image)
        carry_out(of or request(numbers[0]), command, commands_with(self.settings))

    def ask(self, verb: str, of: Request | None = None, **fields: object) -> str:
        """Have the datastore driver do something to image 7; return the answer."""
        return ds_lvm.carry_out(of or self.request(verb, **fields), self.settings)

    def request(self, verb: str, **fields: object) -> Request:
        """A request under way."""
        plain = {"image_id": IMAGE_ID, "source": str(self.image()), "base_path": str(self.base), **fields}
        return Request(Listening(), Message(verb, "", IMAGE_ID, render(ImageActionData(**plain))), 1)  # type: ignore[arg-type]


def _copy_sparse(source: str, target: str) -> str:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
    fake_lvm.copy_file(source, target)
    shutil.copystat(source, target)
    return target


class VolumeKills(kills.KillTable):
    """A table of kills that looks at the volumes as well as at the files.

    Attributes:
        is_random: contents of volumes are not the same twice, so they are not compared.
    """

    group: Group
    is_random = False

    def seen(self) -> dict[str, object]:
        return {**super().seen(), **self.group.seen(with_contents=not self.is_random)}


def begin(state: Path) -> None:
    """Let a recorded group have its pool and nothing else."""
    for directory in (state / "data", state / "devices" / NAME):
        directory.mkdir(parents=True, exist_ok=True)
        for path in directory.iterdir():
            path.unlink()
    pool = {"uuid": "pool", "size": 400 * MIB, "pool": "", "tags": [], "letter": "t", "skip": False}
    group = {"group": NAME, "made": 0, "open": [], "is_zeroed": True, "is_pool_used": True}
    fake_lvm.save(str(state), {**group, "volumes": {"trifid": pool}})


def commands_in(directory: Path, state: Path) -> None:
    """Put LVM's commands for a recorded group into a directory; they start as fast as Python can."""
    directory.mkdir()
    module = Path(fake_lvm.__file__)
    for name in fake_lvm.OPTIONS:
        lines = (
            f"#!{Path(sys.executable).resolve()} -IS",
            f"import sys; sys.path.insert(0, {str(module.parent)!r}); import {module.stem}",
            f"sys.exit({module.stem}.main({str(state)!r}, {name!r}, *sys.argv[1:]))",
        )
        path = directory / name
        path.write_text("\n".join([*lines, ""]))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


@contextlib.contextmanager
def group_in(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    """A group while a test runs, and LVM's commands on PATH."""
    monkeypatch.setenv("TRIFID_ENGINE_ID", ENGINE)
    if "device-mapper" in Path("/proc/misc").read_text():  # /dev/mapper/control proves nothing: LVM makes it
        print("LVM: a real volume group on a loop device")
        with _real(directory):
            yield Group(Path("/dev"), None)
        return
    print("LVM: A RECORDED VOLUME GROUP, this kernel has no device-mapper: no device, no udev, no full pool was seen")
    state, commands = directory / "lvm", directory / "bin"
    state.mkdir()
    begin(state)
    commands_in(commands, state)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setattr(names, "DEVICES", str(state / "devices"))
    yield Group(state / "devices", state)


@contextlib.contextmanager
def _real(directory: Path) -> Iterator[None]:
    image = directory / "physical-volume"
    with image.open("wb") as file:
        file.truncate(1 << 30)
    device = _run("losetup", "--show", "-f", str(image)).strip()
    try:
        _run("pvcreate", "-y", device)
        _run("vgcreate", NAME, device)
        _run("lvcreate", "-y", "--type", "thin-pool", "-L", "400m", "-n", "trifid", NAME)
        yield
    finally:
        subprocess.run(["vgremove", "-y", "-f", NAME], check=False)
        _run("losetup", "-d", device)


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
