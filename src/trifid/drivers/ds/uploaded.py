"""Files that were uploaded only to become an image: removed once they are one.

Another one may have come under the same name meanwhile, so which file was copied is noted beside the image until the
upload is removed; a driver that was killed in between reads it there.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from trifid.drivers.ds import own

_IS = "{0.st_dev} {0.st_ino} {0.st_mtime_ns}"


def note(source: Path, upload: os.stat_result) -> None:
    """Note of which file an image is about to be made.

    Raises:
        OSError: it cannot be written.
    """
    own.upload_of(source).write_text(_IS.format(upload), encoding="ascii")


@contextlib.contextmanager
def no_note_of_nothing(source: Path) -> Iterator[None]:
    """Remove the note when the block ends badly: the upload stays, for another attempt."""
    try:
        yield
    except BaseException:
        own.upload_of(source).unlink(missing_ok=True)
        raise


def forget(source: Path, path: str) -> None:
    """Remove the file that an image was made of, unless the name is another one's now.

    Args:
        path: of an upload.

    Raises:
        OSError: it cannot be removed.
    """
    noted, upload = own.upload_of(source), Path(os.path.realpath(path))
    with contextlib.suppress(FileNotFoundError):
        copied = noted.read_text(encoding="ascii")
        with contextlib.suppress(FileNotFoundError):
            if _IS.format(upload.stat()) == copied:
                upload.unlink()
        noted.unlink()
