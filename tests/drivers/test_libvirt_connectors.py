"""Connectors: what a hypervisor behind libvirt is like is found by name, and one can be added from outside."""

import tomllib
from pathlib import Path

import pytest

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.options import connector_of, parse_options
from trifid.drivers.libvirt.registry import GROUP, connector, names, shipped

ROOT = Path(__file__).parents[2]

MINE = """\
from msgspec.structs import replace
from trifid.drivers.libvirt.connectors import test
CONNECTOR = replace(test.CONNECTOR, name="mine", uri="mine:///system", user_uri="")
"""


def installed(place: Path, name: str, value: str, package: str = "mine") -> None:
    """Put an installed package with one entry point into a directory."""
    about = place / f"{package}-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that Python looks for packages in."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_connector_is_found_by_its_name(name: str) -> None:
    assert connector(name).name == name


def test_every_shipped_connector_is_an_entry_point_as_those_of_others_are() -> None:
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())
    points = about["project"]["entry-points"][GROUP]
    assert points == {name: f"trifid.drivers.libvirt.connectors.{name}:CONNECTOR" for name in shipped()}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("", "kvm"),
        ("--uri qemu:///system", "kvm"),
        ("--uri qemu+ssh://{host}/system", "kvm"),
        ("--uri qemu:///system --connector qemu", "qemu"),
        ("--uri test:///default", "test"),
    ],
)
def test_the_uri_tells_the_connector_unless_it_is_named(arguments: str, name: str) -> None:
    assert connector_of(parse_options(arguments, "p")).name == name


@pytest.mark.parametrize("arguments", ["--uri vz:///system", "--connector vz", "--connector ../kvm"])
def test_a_connector_that_is_not_there_is_told_with_those_that_are(arguments: str) -> None:
    with pytest.raises(Failure, match=r"there is no connector .+: use one of .*kvm, .*qemu, test"):
        parse_options(arguments, "p")


def test_another_package_adds_one_with_a_module_and_an_entry_point(site: Path) -> None:
    (site / "mine_of_site.py").write_text(MINE)
    installed(site, "mine", "mine_of_site:CONNECTOR")
    assert "mine" in names()
    assert connector_of(parse_options("--uri mine+ssh://{host}/system", "p")).name == "mine"
    assert parse_options("--connector mine", "p").uri == "mine:///system"


def test_a_shipped_connector_is_not_replaced_by_another_package(site: Path) -> None:
    (site / "other_kvm.py").write_text(MINE.replace('"mine"', '"kvm"'))
    installed(site, "kvm", "other_kvm:CONNECTOR")
    assert connector("kvm").types == ("QEMU",)


@pytest.mark.parametrize(
    ("module", "value", "said"),
    [
        (MINE, "absent_module:CONNECTOR", "cannot be loaded from absent_module:CONNECTOR: No module named"),
        ("", "mine_broken:CONNECTOR", "cannot be loaded from mine_broken:CONNECTOR: "),
        ("CONNECTOR = 1", "mine_broken:CONNECTOR", "must name a Connector called broken"),
        (MINE, "mine_broken:CONNECTOR", "must name a Connector called broken"),
    ],
)
def test_an_entry_point_that_is_no_connector_is_told(
    site: Path, monkeypatch: pytest.MonkeyPatch, module: str, value: str, said: str
) -> None:
    monkeypatch.delitem(__import__("sys").modules, "mine_broken", raising=False)
    (site / "mine_broken.py").write_text(module)
    installed(site, "broken", value)
    with pytest.raises(Failure, match=said):
        connector("broken")


def test_two_packages_that_offer_the_same_name_are_told(site: Path) -> None:
    installed(site, "twice", "a:CONNECTOR", "a")
    installed(site, "twice", "b:CONNECTOR", "b")
    with pytest.raises(Failure, match=r"twice is offered by a:CONNECTOR and b:CONNECTOR: remove one"):
        connector("twice")
