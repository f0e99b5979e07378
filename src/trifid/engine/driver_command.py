"""Where a driver's program is: a file, or what an installed package offers.

A package offers drivers by entry points, so that installing it and naming the driver in trifid.toml is all:

    [project.entry-points."trifid.drivers"]
    "vmm.mine" = "my_package.vmm:main"

    [drivers.vmm.mine]
"""

import os
import shutil
import sys
from importlib.metadata import entry_points
from pathlib import Path

from trifid.errors import DriverFault

GROUP = "trifid.drivers"

_PROGRAM = (
    "import sys; from importlib.metadata import EntryPoint; "
    f"sys.exit(EntryPoint('driver', sys.argv.pop(1), '{GROUP}').load()())"
)


def find_command(family: str, name: str, executable: str, home: Path) -> list[str]:
    """Return the argument vector that starts a driver, to which its arguments are added.

    Args:
        executable: of the configuration; empty: an installed package has it.

    Raises:
        DriverFault: there is no such program or package, or it must not be executed.
    """
    where = f"[drivers.{family}.{name}] in trifid.toml"
    if not executable:
        return _offered(f"{family}.{name}", where)
    path = find_executable(executable, home)
    if path is None:
        places = f"{home / 'drivers'}, {Path(sys.executable).parent} or PATH"
        raise DriverFault(f"executable {executable} not found in {places}: mend {where}")
    return [path]


def find_executable(name: str, home: Path) -> str | None:
    """Return the path of a driver program, or None when there is no such file.

    Looked up in HOME/drivers, beside the running Python, then on PATH; absolute names as they are.

    Raises:
        DriverFault: there is one, but it must not be executed.
    """
    places = [str(home / "drivers"), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    path = os.pathsep.join(places)
    found = shutil.which(name, path=path)
    if found is None and (file := shutil.which(name, os.F_OK, path)) is not None:
        raise DriverFault(f"{file} is not executable: chmod +x {file}")
    return found


def _offered(name: str, where: str) -> list[str]:
    """Return what starts the driver that a package offers; a broken one then tells so itself, in the driver's log."""
    points = {point.value: point for point in entry_points(group=GROUP, name=name)}
    if len(points) > 1:
        raise DriverFault(f"driver {name} is offered by {' and '.join(sorted(points))}: name an executable in {where}")
    if not points:
        raise DriverFault(
            f"no installed package offers a driver {name} (entry point of the group {GROUP}): install it for "
            f"{sys.executable}, or name an executable in {where}"
        )
    return [sys.executable, "-P", "-c", _PROGRAM, *points]
