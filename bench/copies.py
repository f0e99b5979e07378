"""How fast images are copied: by drivers as processes, beside cp and rsync with the same file on the same disk.

Drivers answer when a copy is on the disk; cp leaves it in memory, so `cp && sync FILE` is measured as well.  rsync
gets the ssh that the driver has, with a connection that is there already, and does not sync either.
"""

import contextlib
import itertools
import os
import shlex
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import sample
from bench.common import Figures, compared, side_by_side, wall_s
from tests.drivers.harness import DriverProcess, python_driver, running
from tests.drivers.sshd import hang_up, sshd
from trifid.drivers.remote.way import Way, sockets_of
from trifid.wire.image_action import ImageActionData, render

SHARED, SSH, QCOW2 = (python_driver(f"trifid.drivers.tm.{name}") for name in ("shared", "ssh.main", "qcow2"))
FS = python_driver("trifid.drivers.ds.fs")
CP = ("cp", "--sparse=always", "--reflink=auto")
HOST = "host1"
ANSWER_TIMEOUT_S = 300.0
LAYERS = 20
_PROGRAMS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))

Copied = tuple[float, Path]
"""Seconds that it took, and what was made."""


class Scene:
    """A directory on a disk with an image, and a home for drivers.

    Attributes:
        image: raw, sparse, in a datastore.
        target: what cp and rsync write.
    """

    def __init__(self, directory: Path, size: int, data: int) -> None:
        self.home = directory / "home"
        self.target = directory / "target"
        (self.home / "datastores" / "0").mkdir(parents=True)
        (directory / "images").mkdir(parents=True)
        self.image = directory / "images" / ("0" * 32)
        sample.make(self.image, size, data)
        self._ids = itertools.count(1)

    def transfer(self, driver: DriverProcess, tm: str, image: Path, image_format: str = "raw") -> Copied:
        """Have a transfer driver CLONE an image for a VM."""
        vm_id = next(self._ids)
        disk, files = self.home / "datastores" / "0" / str(vm_id) / "disk.0", self.home / "vms" / str(vm_id)
        files.mkdir(parents=True)
        script = files / "transfer.1"
        command = f"CLONE {tm} frontend:{image} {HOST}:{disk} {vm_id} 0"
        script.write_text(f"# trifid step 1\n# trifid disk 0 {image_format}\n{command}\n")
        return wall_s(lambda: _ask(driver, "TRANSFER", vm_id, str(script))), disk

    def register(self, driver: DriverProcess, verb: str) -> Copied:
        """Have a datastore driver make an image of the image: by CP, as an import, or by CLONE."""
        image_id = next(self._ids)
        made = self.image.parent / "made" / f"{image_id:032x}"
        data = ImageActionData(
            step=1,
            image_id=image_id,
            source=str(made),
            path=str(self.image),
            clone_source=str(self.image),
            clone_format="raw",
            base_path=str(made.parent),
            safe_dirs=str(self.image.parent),
        )
        return wall_s(lambda: _ask(driver, verb, image_id, render(data))), made

    def command(self, *argvs: tuple[str, ...]) -> Copied:
        """Run commands that write the target, one after the other."""

        def run() -> None:
            for argv in argvs:
                subprocess.run(argv, check=True)

        return wall_s(run), self.target

    def forget(self) -> None:
        """Let the image be on the disk and not in memory."""
        os.sync()
        with self.image.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def looked_at(self, copy: Callable[[], Copied]) -> Callable[[int], float]:
        """Return a contender: makes a copy, which the first time is compared with the image, and removes it."""

        def turn(number: int) -> float:
            took_s, made = copy()
            if number == 0:
                sample.check_same(self.image, made)
            made.unlink()
            return took_s

        return turn


def measure(directory: Path, quick: bool) -> Figures:
    """Return how drivers compare with cp and rsync.

    Args:
        directory: an empty one, on a disk.
    """
    size, data, runs = (1 << 30, 75 << 20, 3) if quick else (4 << 30, 300 << 20, 7)
    scene = Scene(directory / "sparse", size, data)
    dense = Scene(directory / "dense", data, data)
    figures: Figures = {"image_mib": size >> 20, "data_mib": data >> 20, "runs": runs}
    figures["image_in_memory"] = one_file_system(scene, runs)
    figures["image_on_disk"] = one_file_system(scene, runs, scene.forget)
    figures["over_ssh"] = over_ssh(scene, 2 if quick else 5)
    figures["over_ssh_without_holes"] = over_ssh(dense, 2 if quick else 5)
    figures["qcow2_layer_ms"] = layers(scene)
    return figures


def one_file_system(scene: Scene, runs: int, prepare: Callable[[], object] = os.sync) -> Figures:
    """Return how the drivers shared and fs compare with cp."""
    cp, sync = (*CP, str(scene.image), str(scene.target)), ("sync", str(scene.target))
    with running(SHARED, home=scene.home) as shared, running(FS, home=scene.home) as fs:
        copies: dict[str, Callable[[], Copied]] = {
            "cp": lambda: scene.command(cp),
            "cp_and_sync": lambda: scene.command(cp, sync),
            "shared_clone": lambda: scene.transfer(shared, "shared", scene.image),
            "fs_cp": lambda: scene.register(fs, "CP"),
            "fs_clone": lambda: scene.register(fs, "CLONE"),
        }
        took = side_by_side(runs, {name: scene.looked_at(copy) for name, copy in copies.items()}, prepare)
    return compared(took, "cp", "cp_and_sync")


def over_ssh(scene: Scene, runs: int) -> Figures | str:
    """Return how the driver ssh compares with rsync."""
    if missing := [name for name in ("rsync", "sshd") if not shutil.which(name, path=_PROGRAMS)]:
        return f"not measured, missing: {', '.join(missing)} (tools/packages bench)"
    with _host(scene) as (driver, ssh):
        rsync = ("rsync", "-S", "-e", ssh, str(scene.image), f"{HOST}:{scene.target}")
        copies: dict[str, Callable[[], Copied]] = {
            "rsync": lambda: scene.command(rsync),
            "ssh_clone": lambda: scene.transfer(driver, "ssh", scene.image),
        }
        took = side_by_side(runs, {name: scene.looked_at(copy) for name, copy in copies.items()})
    return compared(took, "rsync")


def layers(scene: Scene) -> Figures:
    """Return how long a layer over a raw and over a qcow2 image takes the driver qcow2, milliseconds."""
    images = {"raw": scene.image, "qcow2": scene.image.with_name("1" * 32)}
    argv = ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *map(str, images.values()))
    subprocess.run(argv, check=True)
    with running(QCOW2, home=scene.home) as driver:
        took = {
            name: [scene.transfer(driver, "qcow2", image, name)[0] for _ in range(LAYERS)]
            for name, image in images.items()
        }
    return {name: round(statistics.median(walls) * 1000, 1) for name, walls in took.items()}


@contextlib.contextmanager
def _host(scene: Scene) -> Iterator[tuple[DriverProcess, str]]:
    """Give the driver ssh, with a host on this machine's loopback, and the ssh that it uses, as rsync takes it."""
    keys = scene.home.parent / "sshd"
    keys.mkdir()
    with sshd(keys) as config, running(SSH, f"--frontend frontend --ssh-config {config}", home=scene.home) as driver:
        sockets = sockets_of(scene.home)
        try:
            yield driver, shlex.join(Way(sockets, config=str(config)).argv(HOST, "")[:-3])
        finally:
            hang_up(sockets)


def _ask(driver: DriverProcess, verb: str, number: int, payload: str) -> None:
    driver.ask(verb, number, payload)
    answer = driver.answer(verb, number, timeout_s=ANSWER_TIMEOUT_S)
    if answer.status != "SUCCESS":
        raise RuntimeError(f"{verb} failed: {answer.payload}")
