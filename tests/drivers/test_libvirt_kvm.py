"""Whether KVM can be used is tried out, within a limit."""

import platform
from pathlib import Path

import pytest

from trifid.drivers.libvirt.kvm import why_kvm_is_unusable

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="about processors with vmx or svm")


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, Path]:
    """A machine that seems to have KVM."""
    (tmp_path / "kvm").touch()
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu svm sse\n")
    return {"device": tmp_path / "kvm", "cpuinfo": tmp_path / "cpuinfo"}


def test_a_guest_that_ran_shows_that_it_works(machine: dict[str, Path]) -> None:
    assert why_kvm_is_unusable(**machine, guest="") == ""


def test_without_a_device_there_is_none(machine: dict[str, Path], tmp_path: Path) -> None:
    machine["device"] = tmp_path / "nothing"
    assert why_kvm_is_unusable(**machine, guest="") == f"there is no {tmp_path}/nothing"


def test_a_processor_without_virtualization_is_not_trusted(machine: dict[str, Path]) -> None:
    machine["cpuinfo"].write_text("flags\t\t: fpu sse\n")
    assert why_kvm_is_unusable(**machine, guest="") == "the processor shows neither vmx nor svm"


def test_a_device_that_hangs_is_given_up(machine: dict[str, Path]) -> None:
    why = why_kvm_is_unusable(**machine, guest="import time; time.sleep(600)", timeout_s=0.2)
    assert why.endswith("hangs: a guest of one instruction did not end within 0.2 s")


def test_a_device_that_does_not_work_says_why(machine: dict[str, Path]) -> None:
    why = why_kvm_is_unusable(**machine, guest="import sys; sys.exit('its interface is not version 12')")
    assert why.endswith("does not work: its interface is not version 12")
