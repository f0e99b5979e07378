"""The file that the memory of a saved domain is in: here, or on a host with files of its own."""

from trifid.drivers.kit import Failure, Request
from trifid.drivers.remote.host import Host


def is_saved(machine: Host, path: str, magics: tuple[bytes, ...]) -> bool:
    """Tell whether a complete checkpoint is there.

    Args:
        magics: first bytes of a complete one; libvirt writes others while it is not.

    Raises:
        Failure: the machine is not reached.
    """
    head = machine.outcome("head", "-c", "32", "--", path)
    return not head.status and head.out.startswith(magics)


def forget(machine: Host, path: str, request: Request) -> None:
    """Remove a checkpoint that was used: memory of then with disks of later would break the guest.

    The domain runs by now, so that it cannot be removed is told and no more.
    """
    try:
        machine.run("rm", "-f", "--", path)
    except Failure as failure:
        request.log(f"{path} on {machine.name} is used up and could not be removed: {failure}", "W")
