"""The CONTEXT command of transfer scripts: what a guest is told, as CDs that it reads.

One is labelled CONTEXT and has context.sh and the files.  Where the engine has written a seed for
cloud-init beside context.sh, a second one has that; it lies beside the first as `disk.N.cidata`.
Source: reference/drivers.md §4.3, §8.2; docs/decisions/0015-cloud-init-reads-a-cd-of-its-own.md.
"""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from trifid.core.template.cloud_init import LABEL as SEED_LABEL
from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import files, paths
from trifid.drivers.tm.gather import Gathering
from trifid.drivers.tm.iso import LABEL, Entry, write_iso
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.work import arrival

SEED_PREFIX = "cidata."
"""Of the files of the seed, beside context.sh."""
SEED_SUFFIX = ".cidata"
"""Of the seed's image, after the name of the context's."""
IMAGE_MODE = 0o600
_TEXT_MODE = 0o400


def context(request: Request, command: Command) -> None:
    """Write the images, anew each time: what is in the files may have changed."""
    if len(command.operands) < 2:
        raise Failure("expected context.sh, files, and where the image goes")
    context_sh, *more, target = command.operands
    write_images(request, paths.path_of(context_sh), more, arrival(target, command), command.within)


def write_images(
    request: Request, context_sh: Path, operands: Sequence[str], place: Path, within: Collection[str]
) -> list[Path]:
    """Write the images of a context, and return where they are: `place`, and `place`.cidata if there is a seed.

    For drivers that carry them elsewhere as well.

    Args:
        operands: the files: URLs, paths, and `machine:path#name` of the catalogue.
        place: in the VM's directory, in a datastore or on the front-end.
        within: directories whose files any user may name: a file that is named in one must lie in one.

    Raises:
        Failure: a file may not or cannot be in an image.
        OSError: something cannot be read or written.
    """
    stage = place.with_name(place.name + ".files")
    shutil.rmtree(stage, ignore_errors=True)
    try:
        stage.mkdir(mode=0o700)
        gathering = Gathering(request, stage, place.parent, within)
        entries = [Entry("context.sh", context_sh, _TEXT_MODE)]
        for operand in operands:
            entries += gathering.entries(operand)
        _write(entries, place, LABEL)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    seed = sorted(context_sh.parent.glob(f"{SEED_PREFIX}*"))
    if not seed:
        return [place]
    seed_place = place.with_name(place.name + SEED_SUFFIX)
    _write([Entry(path.name.removeprefix(SEED_PREFIX), path, _TEXT_MODE) for path in seed], seed_place, SEED_LABEL)
    return [place, seed_place]


def _write(entries: list[Entry], place: Path, label: str) -> None:
    with files.arriving(place, IMAGE_MODE) as file:
        write_iso(entries, file, label)
