"""One file copied from machine to machine: sparse, whole and durable before it bears its name.

Beside a file that is not complete, FILE.part, lies FILE.part.state: in its first line which file it is a copy of, in
its last one up to which byte it is on the disk.  A copy that broke off goes on there while its source is the same
file, and begins anew otherwise.  What has arrived gets the source's time of change, so that done again it is known.

Holes are not sent.  The rest is not compressed: on the networks that hosts share, compressing costs more than it
saves; for a thin one there is `Compression yes` in ssh_config.
"""

from collections.abc import Callable

from trifid.drivers.kit import Failure
from trifid.drivers.remote.channel import Stream
from trifid.drivers.remote.faults import ConnectionLost
from trifid.drivers.tm import files, paths
from trifid.drivers.tm.ssh.extents import Extent, extents, pieces
from trifid.drivers.tm.ssh.place import About, Place

STATE_SUFFIX = paths.PART_SUFFIX + ".state"
TRIES = 3
"""Connections that are made for one copy."""
KEPT_BYTES = 32 << 20
"""About as much is written between two times that it is made sure to be on the disk."""
READ_BYTES = 1 << 18

# $1 part, $2 identity of the source, $3 its size.  Prints how far an earlier copy is.
_BEGIN = """
if [ -f "$1" ] && [ ! -L "$1" ] && [ -f "$1.state" ]; then
    read -r identity < "$1.state"
    kept=$(tail -n 1 -- "$1.state")
    case $kept in *[!0-9]*) kept= ;; esac
    if [ "$identity" = "$2" ] && [ "$kept" ]; then echo "$kept"; exit; fi
fi
rm -rf -- "$1" "$1.state"
umask 077
: > "$1" && truncate -s "$3" -- "$1" && printf '%s\\n0\\n' "$2" > "$1.state" && echo 0
"""
# $1 source.  Reads "BEGIN LENGTH" lines, writes these bytes.
_READ = """
while read -r begin length; do
    [ "$(stat -L -c %s -- "$1")" -ge "$((begin + length))" ] || { echo "$1 became shorter" >&2; exit 1; }
    dd if="$1" bs=1M iflag=skip_bytes,count_bytes,fullblock skip="$begin" count="$length" status=none || exit 1
done
"""
# $1 part, $2 bytes to be kept at a time.  Reads "BEGIN LENGTH" lines, each with its bytes after it.  dd does not mind
# when there are fewer, so its count is looked at.  While the next piece comes, the last goes to the disk.  Both files
# are opened once (dd seeks from where it is): what a broken off copy has in its pipes gets into no later one's files.
_WRITE = """
exec 3<> "$1" 4>> "$1.state" || exit 1
at=0 new=0
while read -r begin length; do
    said=$(dd bs=64K iflag=fullblock,count_bytes oflag=seek_bytes seek="$((begin - at))" \\
        count="$length" conv=notrunc,sparse 2>&1 >&3) || { printf '%s\\n' "$said" >&2; exit 1; }
    case $said in
        *"
$length byte"*) ;;
        *) echo "broken off" >&2; exit 1 ;;
    esac
    at=$((begin + length)) new=$((new + length))
    if [ "$new" -ge "$2" ]; then
        wait
        { sync -d -- "$1" && echo "$at" >&4; } </dev/null >/dev/null 2>&1 &
        new=0
    fi
done
wait
"""
# $1 part, $2 mode, $3 time of change.
_WHOLE = 'chmod "$2" "$1" && touch -d "@$3" -- "$1" && exec sync "$1"'
# $1 part, $2 final name.
_NAME = 'mv -fT -- "$1" "$2" && rm -f -- "$1.state" && sync "${2%/*}"'
# $1 part, $2 source on the same machine.
_HERE = 'rm -rf -- "$1" "$1.state"; umask 077; exec cp --sparse=always --reflink=auto -- "$2" "$1"'


def copy_file(source: Place, target: Place, progress: files.Progress, mode: int = files.DISK_MODE) -> None:
    """Let the target be what the source is; its directory must be there.

    Raises:
        Failure: no such file, no space, the source changed meanwhile, a machine is not reached.
    """
    about = source.about()
    if about is None or about.kind != "f":
        raise Failure(f"{source}: {'no such file' if about is None else 'is not a file'}")
    part = target.beside(paths.PART_SUFFIX)
    there = target.about()
    if there is not None and there.is_as(about):
        target.run("rm", "-rf", "--", str(part.path), str(target.beside(STATE_SUFFIX).path))
        return
    if source.host is target.host:
        part.script(_HERE, str(source.path))
    else:
        _again_if_lost(lambda: _send(source, part, about, progress))
    if source.about() != about:
        part.remove(".state")
        raise Failure(f"{source} changed while it was copied")
    part.script(_WHOLE, f"{mode:o}", about.mtime)
    part.script(_NAME, str(target.path))


def _again_if_lost(send: Callable[[], None]) -> None:
    for number in range(TRIES):
        try:
            send()
        except ConnectionLost:
            if number + 1 == TRIES:
                raise
        else:
            return


def _send(source: Place, part: Place, about: About, progress: files.Progress) -> None:
    """Send what is not there yet."""
    begun = int(part.script(_BEGIN, about.identity, str(about.size)))
    left = list(pieces(extents(source, about.size), begun))
    part._replace(path=part.path.parent).need_space(sum(end - begin for begin, end in left))
    if not left:
        return
    with (
        source.host.stream("sh", "-c", _READ, "sh", str(source.path), stop=source.stop) as reader,
        part.host.stream("sh", "-c", _WRITE, "sh", str(part.path), str(KEPT_BYTES), stop=part.stop) as writer,
    ):
        reader.write(_line(left[0]))
        for number, piece in enumerate(left):
            if number + 1 < len(left):
                reader.write(_line(left[number + 1]))
            writer.write(_line(piece))
            _pass_on(reader, writer, piece, lambda at: progress(at, about.size))
        reader.finish()
        writer.finish()


def _line(piece: Extent) -> bytes:
    begin, end = piece
    return b"%d %d\n" % (begin, end - begin)


def _pass_on(reader: Stream, writer: Stream, piece: Extent, tell: Callable[[int], None]) -> None:
    at, end = piece
    while at < end:
        data = reader.read(min(READ_BYTES, end - at))
        if not data:
            reader.finish()
            raise Failure("the source ended before all was read")
        writer.write(data)
        at += len(data)
        tell(at)
