"""The virtual machine driver for KVM and QEMU through libvirt: `trifid-vmm-libvirt`.

Arguments, one string: --uri URI --type auto|kvm|qemu --shutdown-timeout SECONDS --guest-timeout
SECONDS --cpu-shares auto|v1|v2|none --unsafe-migration --ssh-config FILE; docs/drivers-libvirt.md explains them.
"""

import sys

from trifid.drivers.kit import Failure, Kit, Verb, step_of_action_data
from trifid.drivers.libvirt.copies import Copies
from trifid.drivers.libvirt.desk import Desk
from trifid.drivers.libvirt.disk_snapshots import DiskSnapshots
from trifid.drivers.libvirt.domains import Domains
from trifid.drivers.libvirt.hotplug import HotPlug
from trifid.drivers.libvirt.options import parse_options
from trifid.drivers.libvirt.sizes import Sizes
from trifid.drivers.libvirt.snapshots import Snapshots

NAME = "vmm-libvirt"
WORKERS = 64
"""A shutdown waits for its guest, for minutes: many must not keep others waiting."""


def main() -> None:
    """Serve the engine on standard input and output."""
    verbs, trouble = _verbs(sys.argv[1] if len(sys.argv) > 1 else "")

    def begin(_: Kit) -> None:
        if trouble:
            raise Failure(trouble)

    Kit(NAME, verbs, step_of=step_of_action_data, begin=begin, workers=WORKERS).run()


def _verbs(arguments: str) -> tuple[dict[str, Verb], str]:
    try:
        options = parse_options(arguments, f"trifid-{NAME}")
    except Failure as failure:
        return {}, str(failure)
    desk = Desk(options)
    parts = (Domains(desk), HotPlug(desk), Snapshots(desk), DiskSnapshots(desk), Copies(desk), Sizes(desk))
    return {word: verb for part in parts for word, verb in part.verbs().items()}, ""
