"""The catalogue of a real engine with real files: bad images are refused and leave nothing, and no crash loses one.

Images are made by the fs driver, disks by the shared one; hypervisor and host only pretend.
"""

import hashlib
import http.server
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.tm_builders import Reply, body, web
from tests.mounts import small_file_system
from tests.system.home import Api, Home
from trifid.wire.elements import one_element

MIB = 1 << 20
DRIVERS = """
[drivers.ds.fs]
executable = "trifid-ds-fs"

[drivers.tm.shared]
executable = "trifid-tm-shared"
"""
KILLS_MAX = 20


class Site:
    """An engine and its catalogue.

    Attributes:
        files: directory of things to import.
        images: directory of the image datastore.
    """

    def __init__(self, home: Home, files: Path) -> None:
        self.home = home
        self.files = files
        self.images = home.path / "datastores" / "1"

    def run(self, *argv: str, user: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command, as the administrator or as a user whose password is the name."""
        environment = self.home.environment
        if user:
            auth = self.files / f"{user}.auth"
            auth.write_text(f"{user}:{user}\n")
            environment |= {"ONE_AUTH": str(auth), "ONE_XMLRPC": f"http://127.0.0.1:{self.home.port}/RPC2"}
            del environment["TRIFID_HOME"]
        program = Path(environment["PATH"].split(os.pathsep)[0]) / argv[0]
        return subprocess.run(
            [program, *argv[1:]], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def do(self, *argv: str, user: str = "") -> str:
        """Run a command that works; return what it prints."""
        done = self.run(*argv, user=user)
        assert (done.returncode, done.stderr) == (0, ""), f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *argv: str, user: str = "") -> str:
        """Run a command that fails; return why."""
        done = self.run(*argv, user=user)
        assert done.returncode == 255, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
        assert done.stderr.startswith("Error: ") and "Traceback" not in done.stderr, done.stderr
        return done.stderr

    def file(self, name: str, data: bytes = b"a disk" * 1000) -> Path:
        """Return a new file."""
        path = self.files / name
        path.write_bytes(data)
        return path

    def qcow2(self, name: str, *options: str) -> Path:
        """Return a new image of QEMU's."""
        path = self.files / name
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), "4M"], check=True)
        return path

    def made(self, name: str, *options: str) -> int:
        """Make an image, wait until it is READY, and return its id."""
        self.do("oneimage", "create", "--name", name, *options, "--wait")
        return self.id_of(name)

    def id_of(self, name: str) -> int:
        listed = self.do("oneimage", "list", "-l", "ID", "--no-header", "--csv", "-f", f"NAME=^{name}$")
        return int(listed)

    def info(self, image_id: int) -> dict:
        """Return the document of an image."""
        return one_element(self.home.client().call("one.image.info", image_id), "IMAGE")

    def until_ready(self, api: Api, image_id: int) -> dict:
        """Return the document of an image once it is READY."""
        api.until(lambda: self.info(image_id)["STATE"] == "1", f"image {image_id} is READY")
        return self.info(image_id)

    def stored(self) -> set[str]:
        """Return the names of what lies in the image datastore."""
        return {path.name for path in self.images.rglob("*")} if self.images.exists() else set()

    def listed(self) -> list[str]:
        """Return the names of all images."""
        return sorted(self.do("oneimage", "list", "-l", "NAME", "--no-header", "--csv").split())

    def is_not_taken(self, *options: str) -> str:
        """Try to make an image of something; return why it is in error, and see that nothing of it is left."""
        why = self.refused("oneimage", "create", "--name", "bad", *options, "--wait")
        assert self.stored() == set()
        if self.listed():
            assert str(self.info(self.id_of("bad"))["TEMPLATE"]["ERROR"]) in why
            self.do("oneimage", "delete", "bad", "--wait")
        assert (self.listed(), self.stored()) == ([], set())
        return why


def configured(path: Path, more: str = "") -> Home:
    """Return a home with the drivers of the catalogue that is not started."""
    home = Home(path)
    home.settings('transfer = "dummy"', 'transfer = "shared"')
    settings = home.path / "trifid.toml"
    settings.write_text(settings.read_text() + DRIVERS)
    if more:
        home.settings("#download_from = []", more)
    return home


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An engine that may download from this machine."""
    (tmp_path / "files").mkdir()
    home = configured(tmp_path / "home", 'download_from = ["127.0.0.0/8"]')
    home.start()
    yield Site(home, tmp_path / "files")
    home.stop()


# -- what is not taken -----------------------------------------------------------------------------------


def test_images_that_lead_elsewhere_or_are_of_no_known_format_are_not_taken(site: Site) -> None:
    base = site.file("base", bytes(MIB))
    layer = site.qcow2("layer", "-b", str(base), "-F", "raw")
    assert "layer over a backing file" in site.is_not_taken("--path", str(layer))
    assert "said to be raw" in site.is_not_taken("--path", str(site.qcow2("plain")), "--format", "raw")
    vmdk = site.files / "disk.vmdk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", str(vmdk), "4M"], check=True)
    assert "it is a VMDK image, expected raw or qcow2" in site.is_not_taken("--path", str(vmdk))
    assert "vdi" in site.is_not_taken("--path", str(base), "--format", "vdi")
    assert "it is empty" in site.is_not_taken("--path", str(site.file("empty", b"")))
    assert "No such file" in site.is_not_taken("--path", str(site.files / "nowhere"))
    fifo = site.files / "fifo"
    os.mkfifo(fifo)
    assert "is not a plain file" in site.is_not_taken("--path", str(fifo))


def test_what_is_not_what_was_meant_to_come_is_not_taken(site: Site) -> None:
    disk = site.file("disk")
    wrong = hashlib.sha256(b"another").hexdigest()
    assert f"expected {wrong}" in site.is_not_taken("--path", str(disk), "--sha256", wrong)
    with web(body(disk.read_bytes(), length=2 * disk.stat().st_size)) as address:
        assert f"{address}/disk" in site.is_not_taken("--path", f"{address}/disk")
    assert site.is_not_taken("--path", f"{address}/disk"), "nobody listens any more"
    with web(body(disk.read_bytes())) as address:
        assert f"expected {wrong}" in site.is_not_taken("--path", f"{address}/disk", "--sha256", wrong)
        right = hashlib.sha256(disk.read_bytes()).hexdigest()
        site.made("good", "--path", f"{address}/disk", "--sha256", right)


def test_files_outside_the_places_that_are_allowed_are_not_taken(site: Site) -> None:
    site.do("oneuser", "create", "alice", "alice")
    site.do("onedatastore", "chmod", "default", "644")
    secret, safe = site.file("secret"), site.files / "safe"
    safe.mkdir()
    (safe / "link").symlink_to(secret)
    (safe / "plain").write_bytes(b"x" * 1000)

    def is_not_for_alice(path: Path) -> str:
        why = site.refused("oneimage", "create", "--name", "mine", "--path", str(path), "--wait", user="alice")
        assert site.stored() == set()
        return why

    assert str(secret) in is_not_for_alice(secret)
    assert "/etc" in site.is_not_taken("--path", "/etc/hostname")
    assert str(site.home.path) in site.is_not_taken("--path", str(site.home.path / "one_auth"))
    inner = site.files / "inner"
    inner.symlink_to(site.home.path / "one_auth")
    assert str(site.home.path) in site.is_not_taken("--path", str(inner))

    (site.files / "safe.tmpl").write_text(f'SAFE_DIRS = "{safe}"\n')
    site.do("onedatastore", "update", "default", str(site.files / "safe.tmpl"), "--append")
    assert f"{secret} is in none of the datastore's SAFE_DIRS" in site.is_not_taken("--path", str(safe / "link"))
    assert "PATH must be absolute" in site.is_not_taken("--path", str(safe / ".." / "secret"))
    for path in (safe / "link", safe / ".." / "secret"):
        assert is_not_for_alice(path)
    for image in site.listed():
        site.do("oneimage", "delete", image, "--wait", user="alice")
    site.do("oneimage", "create", "--name", "fine", "--path", str(safe / "plain"), "--wait", user="alice")


def test_a_full_datastore_takes_nothing_more(site: Site) -> None:
    (site.files / "limit.tmpl").write_text("LIMIT_MB = 10\n")
    site.do("onedatastore", "update", "default", str(site.files / "limit.tmpl"), "--append")
    large = site.file("large", bytes(11 * MIB))
    assert "no more than 10 MiB are taken (LIMIT_MB of the datastore)" in site.is_not_taken("--path", str(large))
    assert "11 MiB are needed, 10 MiB are free" in site.is_not_taken("--size", "11", "--type", "DATABLOCK")
    site.made("first", "--size", "6", "--type", "DATABLOCK")
    before = site.stored()
    for words in (
        ("create", "--name", "second", "--size", "5", "--type", "DATABLOCK"),
        ("clone", "first", "second"),
        ("resize", "first", "11"),
    ):
        assert "Not enough space in datastore default [1]" in site.refused("oneimage", *words, "--wait")
    assert (site.listed(), site.stored()) == (["first"], before)
    site.made("second", "--size", "4", "--type", "DATABLOCK")


def test_a_full_disk_is_told_and_takes_no_part_of_an_image(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    home = configured(tmp_path / "home", 'download_from = ["127.0.0.0/8"]')
    with small_file_system(home.path / "datastores" / "1", "8m"):
        home.start()
        try:
            site = Site(home, tmp_path / "files")
            large = site.file("large", os.urandom(9 * MIB))
            for options in (("--path", str(large)), ("--path", "{address}/large")):
                with web(body(large.read_bytes(), length=-1)) as address:
                    words = [word.format(address=address) for word in options]
                    why = site.is_not_taken(*words, "--no-check-capacity")
                    assert "MiB" in why and "free" in why
            site.made("fits", "--path", str(site.file("small", os.urandom(5 * MIB))))
            before = site.stored()
            why = site.refused("oneimage", "clone", "fits", "copy", "--wait")
            assert "free" in why
            if "copy" in site.listed():
                site.do("oneimage", "delete", "copy", "--wait")
            assert (site.listed(), site.stored()) == (["fits"], before)
        finally:
            home.stop()


def test_an_image_that_is_used_stays_until_it_is_not(site: Site) -> None:
    api = Api(site.home)
    api.monitored_host("node1")
    image_id = site.made("disk", "--size", "2", "--type", "DATABLOCK", "--persistent")
    source = Path(site.info(image_id)["SOURCE"])
    created = site.do("onevm", "create", "--name", "user", "--memory", "16", "--disk", "disk", "--wait")
    vm_id = created.partition("ID: ")[2].split()[0]
    for words in (("delete",), ("delete", "--force"), ("nonpersistent",)):
        assert f"VM {vm_id}" in site.refused("oneimage", words[0], "disk", *words[1:])
    assert f"VM {vm_id}" in site.refused("oneimage", "resize", "disk", "4")
    assert f"VM {vm_id}" in site.refused("oneimage", "clone", "disk", "copy")
    assert f"VM {vm_id}" in site.refused("onevm", "create", "--memory", "16", "--disk", "disk")
    assert source.exists() and site.listed() == ["disk"]
    disk = site.home.path / "datastores" / "0" / vm_id / "disk.0"
    disk.write_bytes(b"written by the guest".ljust(2 * MIB, b"\0"))
    site.do("onevm", "terminate", vm_id, "--hard", "--wait")
    assert source.read_bytes().startswith(b"written by the guest")
    site.do("oneimage", "delete", "disk", "--wait")
    assert (site.listed(), site.stored()) == ([], set())


def test_snapshots_of_a_raw_disk_stay_with_its_image(site: Site) -> None:
    api = Api(site.home)
    api.monitored_host("node1")
    image_id = site.made("disk", "--size", "1", "--type", "DATABLOCK", "--persistent")
    source = Path(site.info(image_id)["SOURCE"])

    def vm() -> str:
        created = site.do("onevm", "create", "--name", "user", "--memory", "16", "--disk", "disk", "--wait")
        return created.partition("ID: ")[2].split()[0]

    def write(vm_id: str, text: bytes) -> None:
        with (site.home.path / "datastores" / "0" / vm_id / "disk.0").open("r+b") as disk:
            disk.write(text)

    first = vm()
    write(first, b"one")
    site.do("onevm", "poweroff", first, "--wait")
    site.do("onevm", "disk-snapshot-create", first, "0", "at-one", "--wait")
    write(first, b"two")
    site.do("onevm", "terminate", first, "--wait")
    assert source.read_bytes()[:3] == b"two"
    assert "at-one" in site.do("oneimage", "show", "disk")
    second = vm()
    site.do("onevm", "poweroff", second, "--wait")
    site.do("onevm", "disk-snapshot-revert", second, "0", "0", "--wait")
    site.do("onevm", "disk-saveas", second, "0", "saved", "--wait")
    site.do("onevm", "terminate", second, "--wait")
    assert source.read_bytes()[:3] == b"one"
    assert Path(site.info(site.id_of("saved"))["SOURCE"]).read_bytes()[:3] == b"one"
    site.do("oneimage", "snapshot-delete", "disk", "0", "--wait")
    site.do("oneimage", "delete", "disk,saved", "--wait")
    assert (site.listed(), site.stored()) == ([], set())


# -- what a crash does not lose --------------------------------------------------------------------------


class Halting:
    """A reply that stops half-way until it is let go on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.is_half_way = threading.Event()
        self.may_go_on = threading.Event()

    def __call__(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self._data)))
        handler.end_headers()
        half = len(self._data) // 2
        handler.wfile.write(self._data[:half])
        handler.wfile.flush()
        self.is_half_way.set()
        self.may_go_on.wait(60)
        handler.wfile.write(self._data[half:])


def parts(site: Site) -> list[str]:
    return [name for name in site.stored() if name.endswith(".part")]


def test_an_import_that_a_crash_interrupted_is_done_again(site: Site) -> None:
    data = os.urandom(4 * MIB)
    halting = Halting(data)
    reply: Reply = halting
    with web(reply) as address:
        site.do("oneimage", "create", "--name", "coming", "--path", f"{address}/disk")
        assert halting.is_half_way.wait(60)
        image_id = site.id_of("coming")
        assert site.info(image_id)["STATE"] == "4"
        site.home.kill()
        assert len(parts(site)) == 1
        halting.may_go_on.set()
        site.home.start()
        image = site.until_ready(Api(site.home), image_id)
    assert Path(image["SOURCE"]).read_bytes() == data
    assert site.stored() == {Path(image["SOURCE"]).name}


def test_a_clone_that_a_crash_interrupted_is_done_again(site: Site) -> None:
    data = os.urandom(64 * MIB)
    original = site.made("original", "--path", str(site.file("disk", data)))
    for number in range(KILLS_MAX):
        image_id, is_half_way = killed_while_cloning(site, original, f"copy{number}")
        site.home.start()
        image = site.until_ready(Api(site.home), image_id)
        assert Path(image["SOURCE"]).read_bytes() == data
        assert site.stored() == {Path(site.info(one)["SOURCE"]).name for one in (original, image_id)}
        if is_half_way:
            return
        site.do("oneimage", "delete", f"copy{number}", "--wait")
    raise AssertionError(f"no clone of {KILLS_MAX} was killed half-way")


def killed_while_cloning(site: Site, original: int, name: str) -> tuple[int, bool]:
    """Kill the engine as soon as a part of a clone is seen; return the image and whether it was in part still."""
    client, driver = site.home.client(), site.home.child("ds driver fs")
    image_id: int = client.call("one.image.clone", original, name, -1)
    while not parts(site) and site.info(image_id)["STATE"] == "4":
        pass
    os.kill(driver, signal.SIGSTOP)
    is_half_way = bool(parts(site))
    os.kill(site.home.pid, signal.SIGSTOP)
    os.kill(driver, signal.SIGKILL)
    site.home.kill()
    return image_id, is_half_way
