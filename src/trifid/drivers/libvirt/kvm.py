"""Whether hardware virtualization works on this machine: /dev/kvm may be there and hang."""

import platform
import subprocess
import sys
from pathlib import Path

DEVICE = Path("/dev/kvm")
CPUINFO = Path("/proc/cpuinfo")
CHECK_TIMEOUT_S = 5.0

_GUEST = """
import ctypes, fcntl, mmap, os, struct, sys
kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
if fcntl.ioctl(kvm, 0xAE00, 0) != 12:                     # KVM_GET_API_VERSION
    sys.exit("its interface is not version 12")
vm = fcntl.ioctl(kvm, 0xAE01, 0)                          # KVM_CREATE_VM
if sys.argv[1] == "x86_64":
    page = mmap.mmap(-1, 4096)
    page.write(b"\\xf4" * 4096)                            # HLT where a processor begins
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    fcntl.ioctl(vm, 0x4020AE46, struct.pack("=IIQQQ", 0, 0, 0xFFFFF000, 4096, address))
    cpu = fcntl.ioctl(vm, 0xAE41, 0)                      # KVM_CREATE_VCPU
    run = mmap.mmap(cpu, fcntl.ioctl(kvm, 0xAE04, 0))     # KVM_GET_VCPU_MMAP_SIZE
    fcntl.ioctl(cpu, 0xAE80, 0)                           # KVM_RUN
    if struct.unpack_from("=I", run, 8)[0] != 5:          # KVM_EXIT_HLT
        sys.exit("a guest of one instruction did not run")
"""


def why_kvm_is_unusable(
    device: Path = DEVICE, cpuinfo: Path = CPUINFO, guest: str = _GUEST, timeout_s: float = CHECK_TIMEOUT_S
) -> str:
    """Return why, or an empty text when a guest of one instruction ran under KVM.

    A processor that shows no virtualization may still come with a /dev/kvm, of a nested hypervisor that
    runs one instruction but no operating system.

    Args:
        guest: the program that runs the guest, in a process of its own, which is left behind should the
            kernel hold it.

    Source: the kernel's Documentation/virt/kvm/api.rst.
    """
    if not device.exists():
        return f"there is no {device}"
    machine = platform.machine()
    if machine == "x86_64" and not _has_virtualization(cpuinfo):
        return "the processor shows neither vmx nor svm"
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", guest, machine],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        code = child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        return f"{device} hangs: a guest of one instruction did not end within {timeout_s:g} s"
    if child.stderr is None or code == 0:
        return ""
    said = child.stderr.read().decode(errors="replace").strip().splitlines()
    return f"{device} does not work: {said[-1] if said else f'status {code}'}"


def _has_virtualization(cpuinfo: Path) -> bool:
    for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("flags"):
            return bool({"vmx", "svm"} & set(line.split()))
    return False
