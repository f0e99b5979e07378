"""Where a driver's program is found: packages by their entry points; files are tested with the processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trifid.engine.driver_command import GROUP, find_command
from trifid.errors import DriverFault


def installed(place: Path, package: str, name: str, value: str) -> None:
    """Put an installed package with one entry point into a directory."""
    about = place / f"{package}-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that Python looks for packages in, and so do its children."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    return tmp_path


def test_a_driver_of_a_package_is_run_with_its_arguments(site: Path, tmp_path: Path) -> None:
    (site / "mine_of_site.py").write_text("import sys\nclass It:\n    def main():\n        print(sys.argv[1:])\n")
    installed(site, "mine", "vmm.mine", "mine_of_site:It.main")
    command = find_command("vmm", "mine", "", tmp_path)
    done = subprocess.run([*command, "--one 'two three'"], capture_output=True, text=True, check=True)
    assert done.stdout == "[\"--one 'two three'\"]\n"
    with pytest.raises(DriverFault, match=r"no installed package offers a driver im\.mine .*\[drivers\.im\.mine\]"):
        find_command("im", "mine", "", tmp_path)


def test_modules_in_the_working_directory_are_not_those_of_a_driver(site: Path, tmp_path: Path) -> None:
    (site / "mine_of_site.py").write_text("import json\ndef main():\n    print(json.dumps(1))\n")
    installed(site, "mine", "vmm.mine", "mine_of_site:main")
    home = tmp_path / "home"
    home.mkdir()
    (home / "json.py").write_text("raise SystemExit('not this one')\n")
    command = find_command("vmm", "mine", "", home)
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=home).stdout == "1\n"


def test_a_driver_that_two_packages_offer_is_none(site: Path, tmp_path: Path) -> None:
    installed(site, "a", "vmm.mine", "a:main")
    installed(site, "b", "vmm.mine", "b:main")
    with pytest.raises(DriverFault, match=r"vmm\.mine is offered by a:main and b:main: name an executable"):
        find_command("vmm", "mine", "", tmp_path)


def test_an_executable_goes_before_what_packages_offer(site: Path, tmp_path: Path) -> None:
    installed(site, "mine", "vmm.mine", "mine_of_site:main")
    assert find_command("vmm", "mine", sys.executable, tmp_path) == [sys.executable]
    with pytest.raises(DriverFault, match=r"executable nothing-like-it not found in .*: mend \[drivers\.vmm\.mine\]"):
        find_command("vmm", "mine", "nothing-like-it", tmp_path)
