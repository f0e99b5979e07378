"""What is not to be had with containers, in words: verbs of drivers, and attributes of templates."""

from trifid.drivers.libvirt.disks import THROTTLES

_OFF_FIRST = "power the VM off first"
_NO_SNAPSHOTS = f"libvirt's LXC driver makes no snapshots of a container that runs: {_OFF_FIRST}"
_NO_DISKS = f"the disks of a container are mounted when it starts: {_OFF_FIRST}"

CANNOT = {
    "SAVE": "libvirt's LXC driver saves no memory: power the VM off instead (onevm poweroff, onevm undeploy)",
    "RESTORE": "libvirt's LXC driver saves no memory, so there is none to go on from",
    "MIGRATE": "libvirt's LXC driver moves no running container: move it powered off (onevm migrate --poff)",
    "REBOOT": "a container is not rebooted in its place: power the VM off and resume it",
    "RESET": "a container is not reset in its place: power the VM off hard and resume it",
    "ATTACHDISK": _NO_DISKS,
    "DETACHDISK": _NO_DISKS,
    "RESIZEDISK": _NO_DISKS,
    "RESIZE": f"libvirt's LXC driver changes no CPUs of a container that runs: {_OFF_FIRST}",
    "COPYDISK": f"a disk in use by a container cannot be read in one piece: {_OFF_FIRST}",
    "SNAPSHOTCREATE": _NO_SNAPSHOTS,
    "SNAPSHOTREVERT": _NO_SNAPSHOTS,
    "SNAPSHOTDELETE": _NO_SNAPSHOTS,
    "DISKSNAPSHOTCREATE": _NO_SNAPSHOTS,
    "DISKSNAPSHOTDELETE": _NO_SNAPSHOTS,
}
"""Verbs that come to nothing with containers, each with the answer."""

_NO_MACHINE = "a container has no machine of its own"
_NO_KERNEL = "a container runs on its host's kernel"
_NO_BUS = "a container has file systems, no devices"

NOT_USED = {
    "CPU_MODEL": _NO_MACHINE,
    "TOPOLOGY": _NO_MACHINE,
    "FEATURES": _NO_MACHINE,
    "VIDEO": _NO_MACHINE,
    "INPUT": _NO_MACHINE,
    "TPM": _NO_MACHINE,
    "GRAPHICS": "a container has no screen: virsh console shows what its first program writes",
    "CONSOLE": "libvirt's, a pty, is all there is",
    "USB": "refused: a container gets no USB devices",
    "WATCHDOG": _NO_MACHINE,
    "PCI": "refused: a container gets no PCI devices",
    "EMULATOR": _NO_MACHINE,
    "HYPERV_OPTIONS": _NO_MACHINE,
    "SPICE_OPTIONS": _NO_MACHINE,
    "NUMA_NODE": "containers are not pinned",
    "MEMORY_ENCRYPTION": _NO_MACHINE,
    "MEMORY_MAX": "a container that runs is not resized",
    "MEMORY_SLOTS": "a container that runs is not resized",
    "MEMORY_RESIZE_MODE": "a container that runs is not resized",
    "VCPU_MAX": "a container that runs is not resized",
    "CONTEXT/DISK_ID": "its files are unpacked",
    "CONTEXT/TARGET": "its files are unpacked",
    "DISK/TARGET": _NO_BUS,
    "DISK/SERIAL": _NO_BUS,
    "DISK/BUS": _NO_BUS,
    "DISK/CACHE": _NO_BUS,
    "DISK/DISCARD": _NO_BUS,
    "DISK/IO": _NO_BUS,
    "DISK/IOTHREAD": _NO_BUS,
    **{f"DISK/{key}": "libvirt's LXC driver throttles no file system" for key in (*THROTTLES, "SIZE_IOPS_SEC")},
    "NIC/MODEL": "always a pair of veth devices",
    "NIC/SCRIPT": "libvirt's LXC driver runs none",
    "OS/BOOT": _NO_MACHINE,
    "OS/BOOTLOADER": _NO_KERNEL,
    "OS/FIRMWARE": _NO_MACHINE,
    "OS/FIRMWARE_SECURE": _NO_MACHINE,
    "OS/FIRMWARE_FORMAT": _NO_MACHINE,
    "OS/INITRD": _NO_KERNEL,
    "OS/INITRD_DS": _NO_KERNEL,
    "OS/KERNEL": _NO_KERNEL,
    "OS/KERNEL_CMD": _NO_KERNEL,
    "OS/KERNEL_DS": _NO_KERNEL,
    "OS/MACHINE": _NO_MACHINE,
    "OS/NVRAM": _NO_MACHINE,
    "OS/ROOT": "always the first disk",
    "OS/SD_DISK_BUS": _NO_BUS,
    "OS/XEN_TYPE": "Xen's",
}
"""Attributes that have no part in a container, each with why."""
