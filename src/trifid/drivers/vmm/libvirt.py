"""The virtual machine driver for all that libvirt manages: `trifid-vmm-libvirt`.

Arguments, one string: --uri URI --connector NAME --type auto|kvm|qemu --shutdown-timeout SECONDS --guest-timeout
SECONDS --cpu-shares auto|v1|v2|none --unsafe-migration --migration-… --ssh-config FILE;
docs/drivers-libvirt.md explains them.
"""

import sys

from trifid.drivers.kit import Failure, Kit, Request, Verb, step_of_action_data
from trifid.drivers.libvirt.copies import Copies
from trifid.drivers.libvirt.desk import Desk
from trifid.drivers.libvirt.disk_snapshots import DiskSnapshots
from trifid.drivers.libvirt.domains import Domains
from trifid.drivers.libvirt.hotplug import HotPlug
from trifid.drivers.libvirt.migration import Migrations
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
        desk = Desk(options)
    except Failure as failure:
        return {}, str(failure)
    kinds = (Domains, Migrations, HotPlug, Snapshots, DiskSnapshots, Copies, Sizes)
    parts = [kind(desk) for kind in kinds]
    verbs = {word: verb for part in parts for word, verb in part.verbs().items()}
    verbs |= {word: _unable(why) for word, why in desk.connector.cannot.items()}
    return verbs, ""


def _unable(why: str) -> Verb:
    """Return what answers a verb that comes to nothing with this hypervisor."""

    def refuse(_: Request) -> str:
        raise Failure(why)

    return refuse
