"""`trifid init`: a directory becomes the home of an engine."""

import os
import re
import secrets
from pathlib import Path

from trifid.cli.command import Given
from trifid.cli.failure import Failure
from trifid.cli.home import Home, chosen_path
from trifid.cli.shell import Shell

DIRECTORIES = ("log", "run", "drivers", "hooks", "auth", "vms", "datastores")
_DATABASE = "sqlite:///trifid.db"
_URL = re.compile(r"([\w+]+)://(.*)\Z", re.DOTALL)
_EXPECTED_DATABASE = "expected sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
_SECRET_BYTES = 18
_ONLY_OWNER, _FOR_ALL = 0o600, 0o644

_HEAD = """\
# An engine of Trifid.  Read once, at "trifid start".  Values that are commented out are the defaults.

[api]
# Where clients call: http://LISTEN:PORT/RPC2.  Calls are not encrypted: before listening on anything but
# the loopback, put a proxy with TLS in front.
listen = {listen}
port = {port}
# Longest call, in bytes.
#body_bytes_max = 8388608
# Addresses of proxies, such as ["127.0.0.1"], that are believed when they tell who calls (X-Forwarded-For).
#proxies = []

[database]
# An SQLAlchemy URL: sqlite:///FILE, relative to this directory, or postgresql+psycopg://USER@HOST/NAME.
url = {database}

[engine]
# Directory of the datastores, relative to this one or absolute; hosts see it at the same place.
#datastore_location = "datastores"
# The transfer driver, by its name below: how disks come to hosts.
transfer = {transfer}
# How often hosts are looked at, and after how long a silent one is in error, in seconds.
#monitoring_interval_s = 30
#host_lost_after_s = 90
# What hosts call the machine that the engine runs on.
#frontend = "localhost"
# Whose files any user may name in a template (DISK/SOURCE, OS/KERNEL ...): directories, and beginnings of
# URLs that end in "/", such as ["/srv/images", "https://images.example.org/"].  All other files only
# administrators may name: whatever a template names is read with the engine's rights.
#user_paths = []
# What is taken away of the permissions of new objects, of users who have no UMASK: owner, group, others.
#default_umask = "177"
# Networks (such as "10.0.0.0/8") that images may be fetched from although they are not of the public
# internet; otherwise no URL leads the engine to machines that only it can reach.
#download_from = []

[monitoring]
# How long what hosts and VMs use is kept, in seconds: as measured, averages of 5 minutes, and of hours.
#keep_raw_s = 14400
#keep_5min_s = 172800
#keep_hour_s = 5184000
# /metrics for Prometheus; whether figures that name nobody are open to whoever reaches the port.
#metrics = true
#metrics_open = false

[network]
# First two bytes of the MAC addresses that are made up, and the size of a network that names none.
#mac_prefix = "02:00"
#network_size = 254

# What only administrators write in templates, vm, image, network, user and group: a list here, such as
# vm = ["NIC/MAC", "RAW/DATA"], stands instead of the usual one.  docs/ownership.md.
[restricted]

[authentication]
# What checks logins besides passwords (core), such as ["ssh", "ldap"], or programs in auth/ (docs/authentication.md).
# Users of a method are made by "oneuser create NAME --driver METHOD"; those of the default when they come.
#methods = []
#default = ""
# Whether users that exist get the groups that the driver names, at each login.
#groups_follow = false
# How long a session that was right is not checked again, and how long one login may take, in seconds.
#remember_s = 900
#timeout_s = 20

[scheduler]
# Places waiting VMs on hosts; without it "onevm deploy" does.
#enabled = true
# Longest time between two looks, in seconds; news are looked at at once.
#interval_s = 30
# How hosts are ranked for VMs that do not say: striping (fewest VMs first), packing (most VMs first),
# load-aware (most free CPU first), fixed (by the host attribute PRIORITY), or custom (by the expression `rank`).
#policy = "striping"
# The same for system datastores: striping (most room first), packing (least room first), fixed or custom.
#datastore_policy = "striping"
# Rules and opinions of your own, programs that decide, what is recorded, limits: docs/scheduler.md.

# Drivers: [drivers.FAMILY.NAME], FAMILY being vmm (runs VMs), im (watches hosts), tm (moves disks), ds
# (keeps images), vnm (makes networks on hosts), fence (switches hosts off: docs/host-failure.md) or auth
# (checks logins: docs/authentication.md).
# "onehost create HOST --im NAME --vm NAME" chooses among
# them; datastores name a DS_MAD and a TM_MAD; one vnm is for all hosts.
#   executable  absolute, or in drivers/ of this directory, or beside the engine's Python, or on PATH
#   arguments   handed over as one argument
#   timeout_s   an action that is not answered by then has failed; 600 by default, 0: wait for ever
"""

_DUMMY = """
# These only pretend: nothing runs, nothing is copied.  For trying out.
[drivers.vmm.dummy]
executable = "trifid-vmm-dummy"

[drivers.im.dummy]
executable = "trifid-im-dummy"

[drivers.tm.dummy]
executable = "trifid-tm-dummy"

[drivers.ds.dummy]
executable = "trifid-ds-dummy"

[drivers.vnm.dummy]
executable = "trifid-vnm-dummy"
"""

_LIBVIRT = """
# libvirt.  qemu:///system is that of a machine, qemu:///session that of the user.  Of the machine that the engine
# runs on it is used directly; of every other host through ssh, as if it said qemu+ssh://{{host}}/system?no_tty=1.
# Write it like that to say more, such as the user: --uri qemu+ssh://admin@{{host}}/system?no_tty=1
[drivers.vmm.kvm]
executable = "trifid-vmm-libvirt"
arguments = "--uri {uri} --type auto"

# Emulated: slow, and needs no virtualization hardware.
[drivers.vmm.qemu]
executable = "trifid-vmm-libvirt"
arguments = "--uri {uri} --type qemu"

[drivers.im.kvm]
executable = "trifid-im-libvirt"
arguments = "--uri {uri}"

[drivers.im.qemu]
executable = "trifid-im-libvirt"
arguments = "--uri {uri}"

# Hosts with Xen, and containers: each driver is a process, so take the # away where there are such hosts.
#[drivers.vmm.xen]
#executable = "trifid-vmm-libvirt"
#arguments = "--uri xen:///system"
#
#[drivers.im.xen]
#executable = "trifid-im-libvirt"
#arguments = "--uri xen:///system"
#
#[drivers.vmm.lxc]
#executable = "trifid-vmm-libvirt"
#arguments = "--uri lxc:///system"
#
#[drivers.im.lxc]
#executable = "trifid-im-libvirt"
#arguments = "--uri lxc:///system"

# Disks in a directory that all hosts share.
[drivers.tm.shared]
executable = "trifid-tm-shared"

# The same, where a disk is a layer over its image: made in no time, small.
[drivers.tm.qcow2]
executable = "trifid-tm-qcow2"

# Disks in a directory of each host, brought there through SSH.
[drivers.tm.ssh]
executable = "trifid-tm-ssh"

# Images as files on this machine.  An import is given up when nothing was heard of it for so long.
[drivers.ds.fs]
executable = "trifid-ds-fs"
timeout_s = 3600

# Bridges, VLANs, filters and services of virtual networks, on Linux hosts.
[drivers.vnm.linux]
executable = "trifid-vnm-linux"
timeout_s = 60
"""


def init(shell: Shell, given: Given) -> None:
    """Make the home that is named."""
    path = chosen_path(shell)
    _check(path)
    if given.db is not None:
        check_database(given.db)
    home = Home(path)
    if home.settings_file.exists() and not given.force:
        raise Failure(
            f"{path} is the home of an engine already",
            f'start it with "trifid start --home {path}", or write a new configuration with --force',
        )
    if given.force and home.is_locked():
        raise Failure(f"an engine runs from {path}", f'stop it first: "trifid stop --home {path}"')
    try:
        for directory in DIRECTORIES:
            (path / directory).mkdir(parents=True, exist_ok=True)
        _write_administrator(path / "one_auth")
        database = given.db or _DATABASE
        # Before an @ stands who logs in to the database, perhaps with a password.
        text = configuration(given.listen, given.port, given.drivers, database, is_root=os.geteuid() == 0)
        _write_settings(home.settings_file, text, _ONLY_OWNER if "@" in database else _FOR_ALL)
    except OSError as fault:
        raise Failure(f"{fault.filename or path}: {fault.strerror}", "name a directory that can be written") from fault
    shell.say(f"An engine can live in {path}:")
    shell.say("  trifid.toml  its configuration")
    shell.say("  one_auth     name and password of its administrator")
    shell.say(f"Start it: trifid start --home {path}")


def _check(path: Path) -> None:
    """Refuse a path that driver lines, whose fields end at blanks, could not carry."""
    if any(char.isspace() or not char.isprintable() for char in str(path)):
        raise Failure(
            f"{str(path)!r} cannot be a home: it has blanks or control characters, which lines to drivers cannot carry",
            "name another directory",
        )


def check_database(url: str) -> None:
    """Refuse a database that the engine would refuse at its start, in the same words.

    What is no URL is not quoted: it may hold a password.
    """
    parts = _URL.match(url)
    if not parts:
        raise Failure(f"[database] url is no URL of a database: {_EXPECTED_DATABASE}")
    kind, rest = parts.groups()
    if "@" in rest.partition("@")[2].partition("/")[0]:
        raise Failure("[database] url has more than one @: write special characters in the password as %40 (for @)")
    if kind in ("sqlite", "sqlite+pysqlite"):
        place, _, query = rest.partition("?")
        file = place.partition("/")[2]
        if query or file in ("", ":memory:"):
            raise Failure("[database] url: SQLite needs a file and takes no options: expected sqlite:///FILE")
    elif kind not in ("postgresql", "postgresql+psycopg"):
        raise Failure(f"[database] url: databases of kind {kind} are not supported: {_EXPECTED_DATABASE}")


def configuration(listen: str, port: int, drivers: str, database: str, *, is_root: bool) -> str:
    """Return the text of trifid.toml."""
    uri = "qemu:///system" if is_root else "qemu:///session"
    transfer, of_drivers = ("dummy", _DUMMY) if drivers == "dummy" else ("shared", _LIBVIRT.format(uri=uri))
    head = _HEAD.format(listen=_quoted(listen), port=port, database=_quoted(database), transfer=_quoted(transfer))
    return head + of_drivers


def _quoted(value: str) -> str:
    """Return a TOML string."""
    if not value.isprintable():
        raise Failure(f"{value!r} has characters that cannot be printed", "leave them out")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _write_administrator(path: Path) -> None:
    """Write a new password, readable by the owner alone; one that is there is kept."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _ONLY_OWNER)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(f"oneadmin:{secrets.token_urlsafe(_SECRET_BYTES)}\n")


def _write_settings(path: Path, text: str, mode: int) -> None:
    """Write the configuration, whole or not at all."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
