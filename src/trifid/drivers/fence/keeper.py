"""KEEP and LEAVE: the keeper on a host, which renews the host's heartbeat in the datastores that it shares.

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
NO_LEASE = "no lease"
_DIGITS = 12

KEEPER = """\
beat=$1 host=$2 lease=$3 notes=$4
shift 4
now() { read -r up rest < /proc/uptime; up=${up%.*}; }
may_renew() {
    mkdir -p "$1/.trifid/hosts/$host" || return
    on=$(stat -Lc %d "$1") || return
    [ "$on" = "${was:=$on}" ] || [ "$lease" = 0 ] || [ -s "$notes/$2.ended" ]
}
keep() {
    n=0 was=
    while grep -aqF -e "$0" "/proc/$$/cmdline" 2>/dev/null; do
        n=$((n + 1))
        now
        may_renew "$2" "$1" && printf '%s %s lease=%s\\n' "$$" "$n" "$lease" |
            dd of="$2/.trifid/hosts/$host/beat" conv=fsync 2>/dev/null &&
            echo "$up" > "$notes/$1.new" && mv -f "$notes/$1.new" "$notes/$1" && was=$on && rm -f "$notes/$1.ended"
        sleep "$beat"
    done
    printf '%s ended lease=0\\n' "$$" > "$2/.trifid/hosts/$host/beat"
}
end_guests() {
    cd /proc && grep -aslF -e guest= [0-9]*/cmdline | while IFS=/ read -r process rest; do
        grep -aqF -e "$1/" "$process/cmdline" && kill -KILL "$process"
    done
}
stop() {
    trap - TERM
    kill $writers
    for place; do printf '%s stopped lease=0\\n' "$$" > "$place/.trifid/hosts/$host/beat"; done
    exit
}
writers=
trap 'stop "$@"' TERM
[ "$lease" = 0 ] || {
    number=0
    for place; do
        number=$((number + 1)); now; eval "last_$number=$up"
    done
}
number=0
for place; do
    number=$((number + 1))
    keep "$number" "$place" &
    writers="$writers $!"
done
while [ "$lease" != 0 ]; do
    sleep 1
    now
    number=0
    for place; do
        number=$((number + 1))
        renewed=
        read -r renewed < "$notes/$number"
        case $renewed in ''|*[!0-9]*) ;; *) eval "last_$number=$renewed" ;; esac
        eval "last=\\$last_$number"
        [ "$((up - last))" -lt "$lease" ] || { end_guests "$place"; echo "$up" > "$notes/$number.ended"; }
    done
done
wait
"""
"""What runs on the host.

A beat is the number of this process, which tells one life from another, a counter, and the lease that is kept.  When a
datastore was not renewed for the time of the lease, the guests that have disks in it are killed, again and again; the
loop that does it touches no datastore.  The lease counts from before the renewal was begun.  A keeper that is told to
end takes its lease back, and so do its writers when it was killed.

A note takes its place whole: one that is read while it is written must not look like a renewal long ago.  A place that
is on another device than before, such as the directory below a file system that was taken away, is renewed only after
the guests that were on the former one have ended.
"""

START = """\
set -eu
text=$1 name=$2 kind=$3 beat=$4 host=$5 lease=$6
shift 6
place=/run
[ -w "$place" ] || place=/tmp
file=$HOME/.$kind old= of_old=
stat -Lc %d / > /dev/null
is_keeper() { [ -r "/proc/$pid/cmdline" ] && grep -aqF -e "$1" "/proc/$pid/cmdline"; }
if [ -r "$file" ] && read -r pid of_old < "$file"; then
    if is_keeper "$name"; then exit 0; fi
    if is_keeper "$kind-"; then old=$pid; fi
fi
if [ "$lease" != 0 ] && [ "$(id -u)" != 0 ]; then lease=0; echo "no lease"; fi
notes=$(mktemp -d "$place/$kind.XXXXXXXX")
setsid sh -c "$text" "$name" "$beat" "$host" "$lease" "$notes" "$@" < /dev/null > /dev/null 2>&1 &
echo "$! $notes" > "$file"
[ -z "$old" ] || kill -KILL "-$old" 2>/dev/null || :
case $of_old in "$place/$kind".*) rm -rf "$of_old" ;; esac
"""
"""Leaves a keeper of this very name alone, else starts it and ends an older one: there is always one that keeps watch.

Only root can end what libvirt runs.  So nobody else promises to: a lease that is not kept would be taken for a proof.
"""


STOP = """\
set -eu
kind=$1 file=$HOME/.$1
is_keeper() { [ -r "/proc/$pid/cmdline" ] && grep -aqF -e "$kind-" "/proc/$pid/cmdline"; }
[ -r "$file" ] && read -r pid notes < "$file" || exit 0
if is_keeper; then
    kill "$pid" || :
    for wait in 1 2 3 4 5; do ! is_keeper || sleep 1; done
    kill -KILL "-$pid" 2>/dev/null || :
fi
case $notes in /run/"$kind".*|/tmp/"$kind".*) rm -rf "$notes" ;; esac
rm -f "$file"
"""
"""Has the keeper of a host take its lease back and end."""


def keep(request: Request, data: FenceActionData, hosts: Hosts, engine: str) -> str:
    """Have a host's keeper run.

    Args:
        engine: id of the engine: several may share hosts.

    Raises:
        Failure: the host is not reached, or cannot start it.
    """
    if data.beat_s <= 0 or not data.datastores:
        raise Failure(f"host {data.host} shares no datastore that it could keep a heartbeat in")

    if NO_LEASE in _run(request, hosts, data.host, START, *start_arguments(data, engine)):
        request.log(f"host {data.host} keeps no lease: it is not reached as root, who alone can end its guests", "W")
    return ""


def leave(request: Request, data: FenceActionData, hosts: Hosts, engine: str) -> str:
    """Have a host's keeper end; there is none: good.

    Raises:
        Failure: the host is not reached.
    """
    _run(request, hosts, data.host, STOP, _kind(data, engine))
    return ""


def _run(request: Request, hosts: Hosts, host: str, script: str, *arguments: str) -> str:
    def stop() -> None:
        if request.is_cancelled:
            raise Failure("cancelled by the engine")

    return hosts.named(host).run("sh", "-c", script, "sh", *arguments, stop=stop, timeout_s=STARTED_WITHIN_S)


def _kind(data: FenceActionData, engine: str) -> str:
    return f"{NAME}-{engine}-{data.host_id}"


def start_arguments(data: FenceActionData, engine: str) -> Sequence[str]:
    """Return the arguments of START: the name tells a keeper that keeps something else."""
    told = (str(data.beat_s), str(data.host_id), str(data.lease_s), *data.datastores)
    digest = hashlib.sha256("\0".join((KEEPER, *told)).encode()).hexdigest()[:_DIGITS]
    kind = _kind(data, engine)
    return (KEEPER, f"{kind}-{digest}", kind, *told)


def engine_id() -> str:
    """Return the id that the engine gives its drivers, as far as it can be part of a file's name."""
    return "".join(char for char in os.environ.get("TRIFID_ENGINE_ID", "") if char.isalnum()) or "none"
