"""tools/packages, on a machine whose package manager is made of a few lines."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "packages"
REAL = ("sh", "env", "mktemp", "tail", "rm", "cat")

DPKG_QUERY = """#!/bin/sh
for package in $INSTALLED; do
    [ "$4" != "$package" ] || { echo installed; exit 0; }
done
exit 1
"""
APT_CACHE = """#!/bin/sh
[ -e "$MACHINE/lists" ]
"""
APT_GET = """#!/bin/sh
echo "$*" >> "$MACHINE/apt-get"
case "$*" in *update*) : > "$MACHINE/lists" ;; esac
"""


class Machine:
    """A machine with some packages installed and nothing but what the script may rely on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bin = path / "bin"
        self.bin.mkdir()
        for tool in REAL:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))

    def program(self, name: str, text: str) -> None:
        """Put a program on PATH."""
        file = self.bin / name
        file.write_text(text)
        file.chmod(0o755)

    def debian(self, *, uid: int) -> None:
        """Have Debian's package tools, and be this user."""
        self.program("dpkg-query", DPKG_QUERY)
        self.program("apt-cache", APT_CACHE)
        self.program("apt-get", APT_GET)
        self.program("id", f"#!/bin/sh\necho {uid}\n")

    def run(self, *groups: str, installed: str = "") -> subprocess.CompletedProcess[str]:
        """Run the script."""
        environment = {"PATH": str(self.bin), "MACHINE": str(self.path), "INSTALLED": installed}
        return subprocess.run(
            [str(SCRIPT), *groups], env={**environment, "TMPDIR": str(self.path)}, capture_output=True, text=True
        )

    @property
    def apt_get(self) -> list[str]:
        """The calls of apt-get so far."""
        file = self.path / "apt-get"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_is_said_or_done_when_all_is_installed(machine: Machine) -> None:
    machine.debian(uid=0)
    done = machine.run("build", installed="gcc libc6-dev libvirt-dev pkg-config")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.apt_get == []


def test_only_what_is_missing_is_installed_and_one_line_tells_why(machine: Machine) -> None:
    machine.debian(uid=0)
    (machine.path / "lists").touch()
    done = machine.run("build", installed="gcc libc6-dev pkg-config")
    assert done.stdout == "==> installing libvirt-dev (to build libvirt-python)\n"
    (call,) = machine.apt_get
    assert call.endswith("install libvirt-dev")
    assert "--no-install-recommends" in call


def test_package_lists_are_fetched_when_they_do_not_know_a_package(machine: Machine) -> None:
    machine.debian(uid=0)
    assert machine.run("build", installed="gcc libc6-dev pkg-config").returncode == 0
    assert [call.split()[-1] for call in machine.apt_get] == ["update", "libvirt-dev"]


def test_a_user_installs_with_sudo_and_is_told(machine: Machine) -> None:
    machine.debian(uid=1000)
    machine.program("sudo", '#!/bin/sh\necho sudo >> "$MACHINE/apt-get"\nexec "$@"\n')
    (machine.path / "lists").touch()
    done = machine.run("build", installed="gcc libc6-dev pkg-config")
    assert done.stdout.endswith("(to build libvirt-python), with sudo\n")
    assert machine.apt_get[0] == "sudo"


def test_without_root_and_sudo_the_command_for_root_is_told(machine: Machine) -> None:
    machine.debian(uid=1000)
    done = machine.run("build", installed="gcc libc6-dev pkg-config")
    assert done.returncode == 1
    assert "apt-get install --no-install-recommends libvirt-dev" in done.stderr
    assert machine.apt_get == []


def test_on_another_system_the_packages_to_look_for_are_told(machine: Machine) -> None:
    done = machine.run("build")
    assert done.returncode == 1
    assert "this is not Debian" in done.stderr and "libvirt-dev" in done.stderr


def test_what_apt_get_says_is_shown_when_it_cannot(machine: Machine) -> None:
    machine.debian(uid=0)
    machine.program("apt-get", "#!/bin/sh\necho no space left\nexit 100\n")
    done = machine.run("build")
    assert done.returncode == 1
    assert "no space left" in done.stderr and "could not install" in done.stderr


def test_a_group_that_is_not_there_is_refused(machine: Machine) -> None:
    machine.debian(uid=0)
    assert "unknown group buidl" in machine.run("buidl").stderr
