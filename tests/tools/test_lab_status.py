"""What tools/test-lab and tools/in-lab exit with is what the tests in them came to."""

import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.mark.parametrize(("command", "status"), [("/bin/true", 0), ("/bin/false", 1)])
def test_the_labs_exit_as_their_tests_do(command: str, status: int) -> None:
    ended = subprocess.run([TOOLS / "test-lab", command], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == status, ended.stderr


def test_a_lab_exits_as_its_command_does() -> None:
    command = [TOOLS / "in-lab", "sh", "-c", "exit 7"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 7, ended.stderr


def test_a_lab_whose_libvirt_died_exits_as_its_command_does() -> None:
    end_libvirt = (
        "kill $(cat /run/libvirt/libvirtd.pid); while kill -0 $(cat /run/libvirt/libvirtd.pid); do sleep 0.1; done"
    )
    command = [TOOLS / "in-lab", "sh", "-c", f"{end_libvirt}; true"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
