"""How the front-end reaches the hosts: keys, known hosts, names; where only the lab sees them.

The files lie in the lab's directory.  In the lab's mount namespace they are in the place of /etc/ssh/ssh_config and
/etc/hosts, and the ssh files of root are hidden, so that ssh, libvirt and the engine need nothing of their own.
"""

import pwd
from pathlib import Path

from place import FRONTEND, FRONTEND_ADDRESS, HOSTS_MAX, Place, address_of, host_name
from processes import run

SSH_CONFIG, HOSTS = Path("/etc/ssh/ssh_config"), Path("/etc/hosts")


def write(place: Place, names: list[str]) -> None:
    """Write the files of the hosts with these names; a host keeps the key that it has."""
    place.ssh.mkdir(mode=0o700, exist_ok=True)
    _key(place.ssh / "key", FRONTEND)
    known, stanzas = [], []
    addresses = {name: address_of(name) for name in names}
    everybody = [f"{FRONTEND_ADDRESS} {FRONTEND}", *(f"{address} {name}" for name, address in addresses.items())]
    for name, address in addresses.items():
        own = place.host(name)
        own.mkdir(parents=True, exist_ok=True)
        _key(own / "key", name)
        (own / "authorized_keys").write_text((place.ssh / "key.pub").read_text())
        known.append(f"{name},{address} {(own / 'key.pub').read_text().strip()}")
        stanzas.append(f"Host {name}\n  HostName {address}\n  HostKeyAlias {name}")
    # A host reads this once, when it is switched on, and moves VMs to hosts that are added later.
    possible = [f"{address_of(name)} {name}" for name in map(host_name, range(1, HOSTS_MAX + 1))]
    for name in names:
        (place.host(name) / "hosts").write_text(
            _lines(["127.0.0.1 localhost", f"{FRONTEND_ADDRESS} {FRONTEND}", *possible])
        )
    (place.ssh / "known_hosts").write_text(_lines(known))
    (place.ssh / "config").write_text(
        _lines(stanzas) + f"Host *\n  User root\n  IdentityFile {place.ssh}/key\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {place.ssh}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n"
    )
    (place.ssh / "hosts").write_text(_lines(["127.0.0.1 localhost", *everybody]))


def show(place: Place) -> None:
    """Put them where programs look, in this mount namespace."""
    for own, seen in _binds(place):
        if not own.samefile(seen):
            run("mount", "--bind", str(own), str(seen))
    hidden = _of_root()
    if hidden.is_dir() and not hidden.is_mount():
        run("mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", str(hidden))


def hide(place: Place) -> None:
    """Take them away again."""
    for own, seen in _binds(place):
        if own.exists() and own.samefile(seen):
            run("umount", str(seen))
    if _of_root().is_mount():
        run("umount", str(_of_root()))


def _binds(place: Place) -> tuple[tuple[Path, Path], ...]:
    return (place.ssh / "config", SSH_CONFIG), (place.ssh / "hosts", HOSTS)


def _of_root() -> Path:
    return Path(pwd.getpwuid(0).pw_dir) / ".ssh"


def _key(path: Path, comment: str) -> None:
    if not path.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
