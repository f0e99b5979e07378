"""The file that a saved domain's memory is in, on a machine whose files are reached by commands."""

from pathlib import Path

import pytest

from tests.drivers.tm_builders import Listening
from trifid.drivers.kit import Request
from trifid.drivers.libvirt.checkpoint import forget, is_saved
from trifid.drivers.libvirt.desk import Desk
from trifid.drivers.libvirt.options import Options
from trifid.drivers.remote.channel import PROGRAM
from trifid.drivers.remote.host import Host
from trifid.wire.lines import Message


@pytest.fixture
def machine() -> Host:
    return Host("host-a", ["sh", "-c", PROGRAM])


@pytest.mark.parametrize(
    ("head", "is_complete"), [(b"LibvirtQemudSave", True), (b"LibvirtQemudPart", False), (b"", False)]
)
def test_a_domain_is_saved_when_its_checkpoint_is_complete(
    machine: Host, tmp_path: Path, head: bytes, is_complete: bool
) -> None:
    checkpoint = tmp_path / "checkpoint.1"
    assert not is_saved(machine, str(checkpoint), (b"LibvirtQemudSave",))
    checkpoint.write_bytes(head + bytes(100))
    assert is_saved(machine, str(checkpoint), (b"LibvirtQemudSave",)) is is_complete


def test_a_checkpoint_that_was_used_goes_and_one_that_does_not_is_told(machine: Host, tmp_path: Path) -> None:
    said = Listening()
    request = Request(said, Message("RESTORE", "", 12, ""), 1)
    checkpoint = tmp_path / "checkpoint.1"
    checkpoint.write_bytes(b"memory")
    forget(machine, str(checkpoint), request)
    assert not checkpoint.exists()
    forget(machine, str(tmp_path), request)
    assert any("is used up and could not be removed" in one.payload for one in said.heard)


def test_files_of_a_vm_are_here_when_its_directory_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIFID_HOME", str(tmp_path))
    desk = Desk(Options())
    assert desk.machine("host-a", str(tmp_path / "checkpoint.1")).is_here
    far = desk.machine("host-a", str(tmp_path / "nowhere" / "checkpoint.1"))
    assert (far.name, far.is_here) == ("host-a", False)
