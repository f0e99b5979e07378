"""`oneimage create`: an image from a template, from options, from a file of this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from trifid.cli.command import Argument, Command, Given
from trifid.cli.courses import IMAGE_COURSE
from trifid.cli.editing import read
from trifid.cli.failure import Failure
from trifid.cli.figures import duration, memory
from trifid.cli.image_columns import TYPES
from trifid.cli.kinds import DATASTORE, IMAGE
from trifid.cli.settle import WAIT_OPTIONS, Progress, wait_for
from trifid.cli.shell import Shell

if TYPE_CHECKING:
    from trifid.client.upload import Uploader
    from trifid.core.template.model import Template

_CHOICES = click.Choice([one for one in TYPES if one not in ("BACKUP", "FILESYSTEM")], case_sensitive=False)
_FILES = ("KERNEL", "RAMDISK", "CONTEXT")
_IMAGE_DATASTORE, _FILE_DATASTORE = "0", "2"

_TEXTS = (
    ("path", "PATH", "PATH", "What it is made from: a path on the engine's machine, or a URL."),
    ("source", "PATH", "SOURCE", "Take what is there already, without a copy; for administrators."),
    ("format", "FORMAT", "FORMAT", "raw or qcow2: what it is made as."),
    ("fs", "FS", "FS", "File system of an empty one: ext4, xfs, vfat … or swap."),
    ("prefix", "PREFIX", "DEV_PREFIX", "How the name of its device begins in the guest: vd, sd, hd."),
    ("description", "TEXT", "DESCRIPTION", "What it is."),
    ("sha256", "HEX", "SHA256", "SHA-256 that the file must have."),
    ("sha1", "HEX", "SHA1", "SHA-1 that the file must have."),
    ("md5", "HEX", "MD5", "MD5 that the file must have."),
)
"""Option, metavar, attribute, help."""

OPTIONS = (
    click.Option(["-d", "--datastore"], metavar="DATASTORE", help="Where it is kept; else in the first that fits."),
    click.Option(["--name"], metavar="NAME", help="What it is called."),
    click.Option(["--type"], type=_CHOICES, help="What it is; OS by default.  The last three are files, no disks."),
    click.Option(
        ["--upload"],
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A file of this machine that is sent to the engine; after a broken connection it goes on where it was.",
    ),
    click.Option(["--size"], metavar="SIZE", help="Of an empty one, or what one shall grow to: MiB, or 20g."),
    click.Option(["--persistent"], is_flag=True, help="What a VM writes stays in it; one VM at a time uses it."),
    *(click.Option([f"--{option}"], metavar=metavar, help=about) for option, metavar, _, about in _TEXTS),
    click.Option(
        ["--no_check_capacity", "--no-check-capacity"],
        is_flag=True,
        help="Even if the datastore seems to have no room for it; for administrators.",
    ),
    *WAIT_OPTIONS,
)


def _create(shell: Shell, given: Given) -> None:
    if given.upload and not given.upload.is_file():
        raise Failure(f"{given.upload} is not a file", "--upload sends one file of this machine")
    template, text = _described(given)
    datastore_id = _datastore(shell, given, template)
    if given.upload:
        name = _uploaded(shell, given.upload)
        template = template.replacing("PATH", f"upload:{name}")
        text = ""
    from trifid.core.template.scanner import render

    image_id = shell.call("one.image.allocate", text or render(template), datastore_id, given.no_check_capacity)
    shell.made(IMAGE, image_id)
    wait_for(shell, IMAGE_COURSE, [image_id], given)
    if given.upload and given.wait and not shell.is_failed:
        _uploader(shell).forget(name)


def _described(given: Given) -> "tuple[Template, str]":
    """Return the template, and the text of it if it is the file's as it was written."""
    from trifid.core.template.model import Template
    from trifid.core.template.scanner import parse

    text = read(given.file) if given.file else ""
    of_file = parse(text) if given.file else Template()
    of_options = _of_options(given)
    template = of_file.merged(of_options)
    if given.upload and (given.path or given.source):
        raise Failure("--upload and --path or --source do not go together", "leave one of them out")
    if given.upload and not template.single("NAME"):
        template = template.having(("NAME", given.upload.name.partition(".")[0] or given.upload.name))
    if not template.single("NAME"):
        raise Failure(
            "an image needs a name: --name, or a FILE with NAME",
            'such as "oneimage create --name debian --path /srv/images/debian.qcow2"; see oneimage create --help',
        )
    return template, "" if len(of_options) or template != of_file else text


def _of_options(given: Given) -> "Template":
    from trifid.cli.vm_devices import mib
    from trifid.core.template.model import Template

    values = {
        "NAME": given.name,
        "TYPE": given.type,
        "SIZE": str(mib(given.size)) if given.size else None,
        "PERSISTENT": "YES" if given.persistent else None,
        **{attribute: getattr(given, option) for option, _, attribute, _ in _TEXTS},
        "PATH": _absolute(given.path),
    }
    return Template(tuple((name, value) for name, value in values.items() if value))


def _absolute(path: str | None) -> str | None:
    """Return a path that is relative to a file here as the engine understands it; others as they are."""
    return str(Path(path).absolute()) if path and Path(path).is_file() else path


def _datastore(shell: Shell, given: Given, template: "Template") -> int:
    """Return the datastore that is named, else the first that keeps what is made."""
    if given.datastore:
        return shell.id(DATASTORE, given.datastore)
    is_file = template.single("TYPE").upper() in _FILES
    wanted = _FILE_DATASTORE if is_file else _IMAGE_DATASTORE
    found = sorted(int(one["ID"]) for one in shell.all(DATASTORE) if one["TYPE"] == wanted)
    if not found:
        what = "files" if is_file else "images"
        raise Failure(f"you see no datastore for {what}", 'see "onedatastore list"; --datastore names one')
    return found[0]


def _uploaded(shell: Shell, path: Path) -> str:
    """Send a file, with a line of progress on terminals; return its name as an upload."""
    from trifid.client.upload import upload_name

    name = upload_name(path)
    progress = Progress(shell)
    meter = _Meter(shell.clock())
    try:
        _uploader(shell).send(path, name, lambda done, size: progress.show(meter.line(shell.clock(), done, size)))
    finally:
        progress.show("")
    return name


def _uploader(shell: Shell) -> "Uploader":
    from trifid.client import from_environment
    from trifid.client.upload import Uploader

    endpoint, session = from_environment(shell.home)
    return Uploader(shell.endpoint or endpoint, session, shell.sleep)


class _Meter:
    """Tells how an upload goes.

    Args:
        began: seconds of the clock that `line` is given.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._first: int | None = None

    def line(self, now: float, done: int, size: int) -> str:
        """Return `45 % of 2.6G, 120M/s, 00:00:13 left`; what was there at the beginning does not count as fast."""
        first = self._first = done if self._first is None else self._first
        share = done * 100 // size if size else 100
        rate = (done - first) / (now - self._began) if now > self._began else 0
        text = f"upload: {share} % of {memory(size / 1024)}"
        if rate <= 0:
            return text
        left = duration(int((size - done) / rate)).removeprefix("00 ")
        return f"{text}, {memory(rate / 1024)}/s, {left} left"


CREATE = Command(
    "create",
    "Make an image: from a template FILE (- for standard input), from options, or from a file of this machine.",
    (Argument("FILE", optional=True),),
    run=_create,
    options=OPTIONS,
    aliases=("register",),
    more="Options replace what the FILE says.  With --size and no path it is empty.",
    examples=(
        "create debian.image -d default --wait",
        "create --name debian --path https://images.example.org/debian-12.qcow2 --sha256 HEX --wait",
        "create --upload debian-12.qcow2 --wait",
        "create --name data --type DATABLOCK --size 20g --fs ext4 --persistent",
        "create --name vmlinuz --type KERNEL --path /srv/images/vmlinuz",
    ),
)
