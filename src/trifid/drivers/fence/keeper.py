"""KEEP: starts the keeper on a host, which renews the host's heartbeat in the datastores that it shares.

A few lines of shell that go over ssh; nothing is installed.  It outlives the connection, ends with its host, and goes
on as it is when it is asked for again.  Each datastore has a loop of its own: one that hangs stops no other beat.
"""

import hashlib
import os
from collections.abc import Sequence

from trifid.drivers.kit import Failure, Request
from trifid.drivers.remote.host import Hosts
from trifid.wire.fence_action import FenceActionData

STARTED_WITHIN_S = 20.0
NAME = "trifid-keeper"
_DIGITS = 12

KEEPER = """\
beat=$1 host=$2
shift 2
keep() {
    n=0
    while :; do
        n=$((n + 1))
        mkdir -p "$1/.trifid/hosts/$host" && printf '%s %s\\n' "$$" "$n" > "$1/.trifid/hosts/$host/beat"
        sleep "$beat"
    done
}
for place; do keep "$place" & done
wait
"""
"""What runs on the host.  The number of its process tells one life from another, the counter one beat from the next."""

START = """\
set -eu
text=$1 name=$2 kind=$3
shift 3
file=$HOME/.$kind
if [ -r "$file" ] && read -r pid < "$file" && [ -r "/proc/$pid/cmdline" ]; then
    if grep -aqF -e "$name" "/proc/$pid/cmdline"; then exit 0; fi
    if grep -aqF -e "$kind" "/proc/$pid/cmdline"; then kill -KILL -- "-$pid" 2>/dev/null || :; fi
fi
setsid sh -c "$text" "$name" "$@" < /dev/null > /dev/null 2>&1 &
echo "$!" > "$file"
"""
"""Leaves a keeper of this very name alone, ends an older one, and starts it."""


def keep(request: Request, data: FenceActionData, hosts: Hosts, engine: str) -> str:
    """Have a host's keeper run.

    Args:
        engine: id of the engine: several may share hosts.

    Raises:
        Failure: the host is not reached, or cannot start it.
    """
    if data.beat_s <= 0 or not data.datastores:
        raise Failure(f"host {data.host} shares no datastore that it could keep a heartbeat in")

    def stop() -> None:
        if request.is_cancelled:
            raise Failure("cancelled by the engine")

    arguments = start_arguments(data, engine)
    hosts.named(data.host).run("sh", "-c", START, "sh", *arguments, stop=stop, timeout_s=STARTED_WITHIN_S)
    return ""


def start_arguments(data: FenceActionData, engine: str) -> Sequence[str]:
    """Return the arguments of START: the name tells a keeper that keeps something else."""
    told = (str(data.beat_s), str(data.host_id), *data.datastores)
    digest = hashlib.sha256("\0".join((KEEPER, *told)).encode()).hexdigest()[:_DIGITS]
    kind = f"{NAME}-{engine}-{data.host_id}"
    return (KEEPER, f"{kind}-{digest}", kind, *told)


def engine_id() -> str:
    """Return the id that the engine gives its drivers, as far as it can be part of a file's name."""
    return "".join(char for char in os.environ.get("TRIFID_ENGINE_ID", "") if char.isalnum()) or "none"
