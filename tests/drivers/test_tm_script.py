"""Transfer scripts as a driver reads them: whole and well-formed, or not at all."""

from pathlib import Path

import pytest

from trifid.drivers.tm.script import Command, read_script, step_of_script
from trifid.errors import DriverFault


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transfer.0.prolog"


def test_a_script_has_a_step_and_commands(path: Path) -> None:
    path.write_text("# trifid step 7\nclone shared front:/a host1:/b 42 0\n\n# a note\nDELETE shared host1:/c 42 100\n")
    script = read_script(str(path))
    assert script.step == step_of_script(str(path)) == 7
    assert script.commands == (
        Command("CLONE", "shared", ("front:/a", "host1:/b"), 42, 0),
        Command("DELETE", "shared", ("host1:/c",), 42, 100),
    )


def test_a_command_knows_what_its_disk_was_made_from(path: Path) -> None:
    path.write_text(
        "# trifid step 1\n# trifid disk 0 raw\n# trifid disk 12 qcow2\n# trifid diskette 3\n"
        "CLONE shared front:/a host1:/d/disk.0 42 0\nMVDS shared host1:/d/disk.12 front:/i 42 0\n"
        "SNAP_CREATE shared host1:/d/disk.1 0 42 0\nDELETE shared host1:/d 42 0\n"
        "CPDS shared host1:/d/disk.12.copy front:/i -1 42 0\n"
    )
    script = read_script(str(path))
    assert [command.format for command in script.commands] == ["raw", "qcow2", "", "", "qcow2"]


def test_a_command_knows_what_its_source_is_and_how_far_files_may_lead(path: Path) -> None:
    path.write_text(
        "# trifid step 1\n# trifid disk 0 raw\n# trifid disk 0 image\n# trifid within /srv/pub\n"
        "# trifid within /srv/with blank\nCLONE shared front:/a host1:/d/disk.0 42 0\n"
        "CLONE shared front:/c host1:/d/kernel 42 0\n"
    )
    told = [(command.format, command.is_image, command.within) for command in read_script(str(path)).commands]
    within = ("/srv/pub", "/srv/with blank")
    assert told == [("raw", True, within), ("", False, within)]


@pytest.mark.parametrize("told", ["vmdk", "image /srv/pub", "raw /srv/pub", "within /srv/pub"])
def test_what_is_told_of_a_disk_and_not_known_is_refused(path: Path, told: str) -> None:
    path.write_text(f"# trifid step 1\n# trifid disk 3 {told}\n")
    with pytest.raises(DriverFault, match=f"disk 3 is '{told}', expected raw or qcow2, or image"):
        read_script(str(path))


@pytest.mark.parametrize(
    "text",
    ["", "\n", "DELETE shared host1:/c 42 0\n", "# trifid step x\n", "# trifid step 1\nDELETE\n",
     "# trifid step 1\nDELETE shared host1:/c\n", "# trifid step 1\nDELETE shared host1:/c 42 x\n"],
)  # fmt: skip
def test_what_is_no_script_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(DriverFault, match=f"transfer script {path}: "):
        read_script(str(path))


def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    path.write_bytes(b"# trifid step 1\n\xff\xfe")
    with pytest.raises(DriverFault, match=f"transfer script {path}: "):
        read_script(str(path))


def test_a_script_that_is_missing_is_named(path: Path) -> None:
    with pytest.raises(DriverFault, match="No such file"):
        read_script(str(path))


def test_a_path_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(DriverFault):
        read_script("a\0b")
