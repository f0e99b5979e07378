"""LVM's own commands take what the drivers say to them, as far as they can be run.

WITHOUT DEVICE-MAPPER IN THE KERNEL that is: their options are parsed, then the volume group is not found.
"""

import json
import shutil
import subprocess

import pytest

from tests.drivers import fake_lvm
from tests.drivers.lvm_builders import IMAGE, MIB, NAME, Group
from trifid.drivers.lvm import volumes
from trifid.drivers.lvm.names import Place
from trifid.drivers.lvm.settings import Settings
from trifid.drivers.lvm.tools import Lvm

_NO_DEVICES = 'global { activation = 0 } devices { use_devicesfile = 0 filter = [ "r|.*|" ] }'
_REAL = "/usr/sbin:/sbin"


def everything(group: Group) -> list[list[str]]:
    """Every kind of command that the drivers give; the recorded group keeps them."""
    lvm, place = group.lvm(), Place(NAME, IMAGE)
    with volumes.arriving(lvm, place, 5 * MIB) as volume:
        pass
    volumes.resize(lvm, volume, 9)
    volume = volumes.own(lvm, place)
    volumes.keep(lvm, volume, 0)
    lvm.activate(volumes.kept(lvm, volume, 0))
    volumes.revert(lvm, volume, 0)
    volumes.remove_with_snapshots(lvm, place)
    lvm.volumes()
    return fake_lvm.calls(str(group.state))


def test_every_command_that_is_known_is_given(group: Group) -> None:
    if not group.is_fake:
        pytest.skip("the real group keeps no record")
    given = everything(group)
    assert {command for command, *_ in given} == set(fake_lvm.OPTIONS)
    for command, options in fake_lvm.OPTIONS.items():
        words = {word for name, *words in given for word in words if name == command}
        assert set(options) <= words, f"{command}: options that no driver uses"


@pytest.mark.parametrize("command", fake_lvm.OPTIONS)
def test_lvms_own_parser_takes_it(group: Group, command: str) -> None:
    real = shutil.which(command, path=_REAL)
    assert real is not None, f"{command} of lvm2 is not installed: tools/packages test"
    if not group.is_fake:
        pytest.skip("the group is real: its commands were carried out")
    for words in (words for name, *words in everything(group) if name == command):
        argv = [real, "--test", "--config", _NO_DEVICES, *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if NAME in " ".join(words):
            assert (done.returncode, f'Volume group "{NAME}" not found' in done.stderr) == (5, True), done.stderr
        else:
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout) == {"report": [{"lv": []}]}


def test_lvms_own_parser_refuses_what_is_not_known() -> None:
    real = shutil.which("lvcreate", path=_REAL)
    assert real is not None, "lvm2 is not installed: tools/packages test"
    argv = [real, "--test", "--config", _NO_DEVICES, "-y", "--nosense", NAME]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, "unrecognized option" in done.stderr) == (fake_lvm.BAD_OPTION, True)


def test_commands_are_run_through_sudo_when_told(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    lvm = Lvm(group.lvm().request, Settings("0123", has_sudo=True))
    given: list[tuple[str, ...]] = []

    def run(*argv: str) -> str:
        given.append(argv)
        return '{"report": []}'

    monkeypatch.setattr(lvm.request, "run", run)
    assert lvm.volumes(NAME) == []
    assert given[0][:6] == ("setsid", "--fork", "--wait", "sudo", "-n", "lvs")
