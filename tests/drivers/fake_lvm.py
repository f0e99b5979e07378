"""LVM's commands for a kernel without device-mapper: one volume group that is a file, whose volumes are files.

    fake_lvm.main("DIRECTORY", "lvcreate", "-y", "-V", "8m", "--thinpool", "trifid", "-n", "x", "vg0")

NOTHING HERE IS LVM.  What it is held against is lvm2 2.03.16: which options each command has (OPTIONS; another one
ends with status 3, as there), what lvs prints as JSON, which words and statuses a missing group, a missing volume, a
name that is taken and a size that does not grow get (status 5), and that sizes are rounded up to extents.  What it
cannot show: devices coming and going with udev, a volume that another program holds open, a pool that runs full,
two machines, what a kill in the middle of a real command leaves, and speed.

It stands alone and imports next to nothing, since tests start it thousands of times.  DIRECTORY has group (the state),
data/ (one file a volume), devices/GROUP/ (links to those in use) and calls (what was asked for).
"""

from __future__ import annotations

import fcntl
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself takes longer to import than all of the rest
    from collections.abc import Sequence
    from typing import Any

EXTENT = 4 << 20
DONE, BAD_OPTION, FAILED = 0, 3, 5
FLAG, VALUE = 0, 1
OPTIONS: dict[str, dict[str, int]] = {
    "lvcreate": {
        "-y": FLAG,
        "-s": FLAG,
        "-kn": FLAG,
        "-V": VALUE,
        "-n": VALUE,
        "--thinpool": VALUE,
        "--addtag": VALUE,
    },
    "lvremove": {"-y": FLAG, "-S": VALUE},
    "lvrename": {},
    "lvextend": {"-y": FLAG, "-L": VALUE},
    "lvchange": {"-ay": FLAG, "-K": FLAG, "--deltag": VALUE},
    "lvs": {"--reportformat": VALUE, "--units": VALUE, "--nosuffix": FLAG, "-o": VALUE},
}
"""Those that the drivers use, of the many that there are."""


Options = dict[str, list[str]]


class Wrong(Exception):
    """The command fails."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


class Fake:
    """The group as a command sees it; `state` is written back when the command ends well."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.state = load(directory)
        self.name = self.state["group"]
        self.volumes: dict[str, dict[str, Any]] = self.state["volumes"]

    def data(self, name: str) -> str:
        return f"{self.directory}/data/{name}"

    def device(self, name: str) -> str:
        return f"{self.directory}/devices/{self.name}/{name}"

    def check_group(self, name: str) -> None:
        if name != self.name:
            raise Wrong(f'Volume group "{name}" not found\n  Cannot process volume group {name}')

    def volume(self, operand: str) -> str:
        group, _, name = operand.partition("/")
        self.check_group(group)
        if name not in self.volumes:
            raise Wrong(f'Failed to find logical volume "{operand}"')
        return name

    def add(self, name: str, size: int, pool: str, tags: list[str], *, is_active: bool) -> None:
        if name in self.volumes:
            raise Wrong(f'Logical Volume "{name}" already exists in volume group "{self.name}"')
        self.state["made"] += 1
        self.volumes[name] = {
            "uuid": f"{self.state['made']:06}-fake-fake-fake-fake-fake-000000",
            "size": size,
            "pool": pool,
            "tags": sorted(set(tags)),
            "letter": "V",
            "skip": not is_active,
        }

    def show(self, name: str) -> None:
        if not os.path.lexists(self.device(name)):
            os.symlink(self.data(name), self.device(name))

    # -- the commands --------------------------------------------------------------------------

    def lvcreate(self, options: Options, operands: list[str]) -> None:
        (operand,) = operands
        name, tags = options["-n"][0], options.get("--addtag", [])
        if "-s" in options:
            origin = self.volume(operand)
            about = self.volumes[origin]
            assert about["letter"] == "V", "a snapshot of what is not thin needs -L"
            self.add(name, about["size"], about["pool"], tags, is_active="-kn" in options)
            copy_file(self.data(origin), self.data(name))
        else:
            self.check_group(operand)
            pool = options["--thinpool"][0]
            if self.volumes.get(pool, {}).get("letter") != "t":
                raise Wrong(f"Pool {pool} not found in Volume group {self.name}.")
            self.add(name, size_of(options["-V"][0]), pool, tags, is_active=True)
            with open(self.data(name), "xb") as file:
                file.truncate(self.volumes[name]["size"])
        if not self.volumes[name]["skip"]:
            self.show(name)

    def lvremove(self, options: Options, operands: list[str]) -> None:
        (group,) = operands
        self.check_group(group)
        key, _, uuid = options["-S"][0].partition("=")
        assert key == "lv_uuid", key
        for name in [name for name, about in self.volumes.items() if about["uuid"] == uuid]:
            if name in self.state["open"]:
                raise Wrong(f"Logical volume {group}/{name} in use.")
            del self.volumes[name]
            for path in (self.device(name), self.data(name)):
                if os.path.lexists(path):
                    os.unlink(path)

    def lvrename(self, options: Options, operands: list[str]) -> None:
        group, old, new = operands
        self.volume(f"{group}/{old}")
        if new in self.volumes:
            raise Wrong(f'Logical volume "{new}" already exists in volume group "{group}"')
        self.volumes[new] = self.volumes.pop(old)
        os.rename(self.data(old), self.data(new))
        if os.path.lexists(self.device(old)):
            os.unlink(self.device(old))
            self.show(new)

    def lvextend(self, options: Options, operands: list[str]) -> None:
        (operand,) = operands
        about = self.volumes[self.volume(operand)]
        size = size_of(options["-L"][0])
        extents, had = size // EXTENT, about["size"] // EXTENT
        if size == about["size"]:
            raise Wrong(f"New size ({extents} extents) matches existing size ({had} extents).")
        if size < about["size"]:
            raise Wrong(f"New size given ({extents} extents) not larger than existing size ({had} extents)")
        about["size"] = size
        os.truncate(self.data(operand.partition("/")[2]), size)

    def lvchange(self, options: Options, operands: list[str]) -> None:
        (operand,) = operands
        name = self.volume(operand)
        about = self.volumes[name]
        about["tags"] = [tag for tag in about["tags"] if tag not in options.get("--deltag", [])]
        if "-ay" in options and (not about["skip"] or "-K" in options):
            if about["letter"] == "t":
                self.state["is_pool_used"] = True
            else:
                self.show(name)

    def lvs(self, options: Options, operands: list[str]) -> None:
        assert (options["--reportformat"], options["--units"]) == (["json"], ["b"])
        for operand in operands:
            self.check_group(operand)
        names = options["-o"][0].split(",")
        rows = [self.row(name) for name in sorted(self.volumes)]
        told = ", ".join("{" + ", ".join(f'"{key}":"{row[key]}"' for key in names) + "}" for row in rows)
        print('{"report": [{"lv": [' + told + "]}]}")

    def row(self, name: str) -> dict[str, str]:
        about = self.volumes[name]
        is_active = os.path.lexists(self.device(name))
        zero = "z" if self.state["is_zeroed"] else "-"
        attributes = f"{about['letter']}wi-{'a' if is_active else '-'}-t{zero}-{'-k'[about['skip']]}"
        is_full_told = about["letter"] == "t" and self.state["is_pool_used"]
        return {
            "vg_name": self.name,
            "lv_name": name,
            "lv_uuid": about["uuid"],
            "lv_size": str(about["size"]),
            "lv_tags": ",".join(about["tags"]),
            "pool_lv": about["pool"],
            "lv_attr": attributes,
            "data_percent": "25.00" if is_full_told else "",
            "vg_extent_size": str(EXTENT),
        }


def load(directory: str) -> dict[str, Any]:
    """Return the state of the group."""
    with open(f"{directory}/group", "rb") as file:
        state: dict[str, Any] = marshal.load(file)
    return state


def save(directory: str, state: dict[str, Any]) -> None:
    """Write the state of the group."""
    with open(f"{directory}/group.new", "wb") as file:
        marshal.dump(state, file)
    os.rename(f"{directory}/group.new", f"{directory}/group")


def copy_file(source: str, target: str) -> None:
    """Copy what is no hole."""
    with open(source, "rb") as original, open(target, "xb") as copy:
        size = os.fstat(original.fileno()).st_size
        copy.truncate(size)
        at = 0
        while at < size:
            try:
                at = os.lseek(original.fileno(), at, os.SEEK_DATA)
            except OSError:
                return  # only a hole is left
            end = os.lseek(original.fileno(), at, os.SEEK_HOLE)
            os.pwrite(copy.fileno(), os.pread(original.fileno(), end - at, at), at)
            at = end


def size_of(text: str) -> int:
    """Return a size in bytes, as the group rounds it."""
    assert text.endswith("m"), f"{text}: sizes are given in MiB"
    size = int(text[:-1]) << 20
    return -(-size // EXTENT) * EXTENT


def read(command: str, words: Sequence[str]) -> tuple[Options, list[str]]:
    """Return the options, and what is left."""
    known, left = OPTIONS[command], iter(words)
    options: Options = {}
    operands: list[str] = []
    for word in left:
        if not word.startswith("-"):
            operands.append(word)
        elif word not in known:
            raise Wrong(f"{command}: unrecognized option '{word}'\n  Error during parsing of command line.", BAD_OPTION)
        else:
            options.setdefault(word, []).append(next(left) if known[word] else "")
    return options, operands


def calls(directory: str) -> list[list[str]]:
    """Return what was asked for."""
    with open(f"{directory}/calls") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def main(directory: str, command: str, *words: str) -> int:
    """Carry out one command; return its exit status."""
    with open(f"{directory}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(f"{directory}/calls", "a") as asked:
            print(command, *words, sep="\t", file=asked)
        fake = Fake(directory)
        try:
            getattr(fake, command)(*read(command, words))
        except Wrong as fault:
            print(f"  {fault}", file=sys.stderr)
            return fault.status
        save(directory, fake.state)
    return DONE
