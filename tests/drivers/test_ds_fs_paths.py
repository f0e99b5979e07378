"""From where files of the front-end are taken, and that nothing outside the datastore is written or removed."""

import os
import socket
from pathlib import Path

import pytest

from tests.drivers.ds_builders import NAME, Store
from trifid.drivers.ds.allowed import SENSITIVE, Places
from trifid.drivers.kit import Failure


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 5000)
    return path


def refused(store: Store, path: Path | str, words: str, **rules: str) -> None:
    for verb in ("CP", "STAT"):
        with pytest.raises(Failure, match=words):
            store.do(verb, path=str(path), **rules)
    assert store.names() == []


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "/dev/zero", "/sys/kernel/vmcoreinfo"])
def test_the_machines_own_files_are_not_taken(store: Store, path: str) -> None:
    refused(store, path, f"is in /{path.split('/')[1]}, nothing is taken from there")


def test_the_engines_own_files_are_not_taken(store: Store, home: Path) -> None:
    refused(store, put(home / "trifid.db"), f"is in {home}, nothing is taken from there")
    refused(store, put(home / ".one" / "one_auth"), "nothing is taken from there", safe_dirs="/")
    refused(store, put(home / "datastores" / "0" / "9" / "disk.0"), "nothing is taken from there")


def test_an_image_of_the_datastore_is_not_taken_by_its_path(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = Store(tmp_path_factory.mktemp("store"))
    image = put(elsewhere.base / ("a" * 32))
    with pytest.raises(Failure, match="nothing is taken from there"):
        elsewhere.bring(image, safe_dirs=str(elsewhere.base))
    assert elsewhere.names() == ["a" * 32]


def test_without_rules_what_is_not_sensitive_is_taken(store: Store, inbox: Path) -> None:
    assert store.bring(put(inbox / "x")) == ["raw", "1"]


@pytest.mark.parametrize("directory", SENSITIVE)
def test_without_rules_what_is_sensitive_is_not_taken(directory: str) -> None:
    with pytest.raises(Failure, match="SAFE_DIRS"):
        Places("", "", "/srv/store", "").check(os.path.realpath(f"{directory}/x"))


@pytest.mark.parametrize(
    ("safe", "restricted", "path", "is_taken"),
    [
        ("/srv/iso", "", "/srv/iso/x", True),
        ("/srv/iso", "", "/srv/iso2/x", False),
        ("/srv/iso", "", "/srv/x", False),
        ("/srv/iso /mnt", "", "/mnt/x", True),
        ("/srv/iso", "/", "/srv/iso/x", True),
        ("/srv/iso", "/", "/srv/x", False),
        ("/srv", "/srv/secret", "/srv/secret/x", False),
        ("/srv", "/srv/secret", "/srv/x", True),
        ("", "/srv", "/srv/x", False),
        ("", "/srv", "/mnt/x", True),
        ("", "/srv", "/proc/1/environ", False),
        ("/", "/", "/srv/x", True),
        ("/", "/", "/dev/sda", False),
        ("/", "", "/var/lib/trifid/trifid.db", False),
        ("/var/lib/trifid/iso", "", "/var/lib/trifid/iso/x", True),
        ("", "/", "/var/lib/trifid/uploads/2/x", True),
        ("/srv", "", "/srv/store/x", False),
    ],
)
def test_the_deepest_directory_that_is_named_decides(safe: str, restricted: str, path: str, is_taken: bool) -> None:
    places = Places(safe, restricted, "/srv/store", "/var/lib/trifid")
    if is_taken:
        places.check(path)
        return
    with pytest.raises(Failure, match="SAFE_DIRS"):
        places.check(path)


def test_a_link_does_not_lead_out(store: Store, inbox: Path) -> None:
    (inbox / "x").symlink_to("/etc/passwd")
    refused(store, inbox / "x", "/etc/passwd is in none of the datastore's SAFE_DIRS", safe_dirs=str(inbox))
    (inbox / "up").symlink_to("/etc")
    refused(store, inbox / "up" / "passwd", "/etc/passwd is in /etc")
    refused(store, f"{inbox}/../../../../../../etc/passwd", "/etc/passwd is in /etc")


def test_a_link_inside_is_followed(store: Store, inbox: Path) -> None:
    put(inbox / "there")
    (inbox / "x").symlink_to("there")
    assert store.bring(inbox / "x", safe_dirs=str(inbox)) == ["raw", "1"]


def test_a_link_that_is_turned_after_the_look_leads_nowhere(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = put(inbox / "a" / "x").parent
    opening = os.open

    def turn(path: str, flags: int) -> int:
        place.rename(inbox / "old")
        place.symlink_to("/etc")
        return opening(path.replace("/x", "/passwd"), flags)

    monkeypatch.setattr(os, "open", turn)
    with pytest.raises(Failure, match="was changed while it was opened"):
        Places(str(inbox), "", "/srv/store", "").open(str(inbox / "a" / "x"))


def test_only_plain_files_are_taken(store: Store, inbox: Path) -> None:
    os.mkfifo(inbox / "fifo")
    refused(store, inbox / "fifo", "is not a plain file")
    refused(store, inbox, "is not a plain file")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(inbox / "socket"))
        with pytest.raises(OSError, match="No such device or address"):
            store.bring(inbox / "socket")


@pytest.mark.parametrize("path", ["etch.img", "", "a/b", "-f"])
def test_a_path_must_be_absolute(store: Store, path: str) -> None:
    refused(store, path, "neither an absolute path nor an http")


def test_a_file_that_is_missing_is_named(store: Store, inbox: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        store.bring(inbox / "nothing")
    assert store.names() == []


FOREIGN = (
    "/{inbox}/" + NAME,
    "{base}/etch.img",
    "{base}/" + NAME + ".snap",
    "{base}/sub/" + NAME,
    "{base}/../2/" + NAME,
    "{base}/" + NAME.upper(),
    "",
)


@pytest.mark.parametrize("pattern", FOREIGN)
def test_nothing_is_written_outside_the_datastore_or_under_another_name(
    store: Store, inbox: Path, pattern: str
) -> None:
    put(inbox / "x")
    source = pattern.format(base=store.base, inbox=inbox)
    more = {"path": str(inbox / "x"), "clone_source": str(inbox / "x"), "clone_format": "raw", "format": "raw"}
    for verb in ("CP", "MKFS", "CLONE", "RESIZE", "SNAP_DELETE", "SNAP_REVERT", "SNAP_FLATTEN"):
        with pytest.raises(Failure, match="is not a file that this datastore made"):
            store.do(verb, source=source, size_mib=1, snapshot_id=0, **more)
    assert store.names() == []


@pytest.mark.parametrize("pattern", FOREIGN)
def test_what_an_administrator_registered_is_not_removed_with_its_image(
    store: Store, inbox: Path, pattern: str
) -> None:
    source = pattern.format(base=store.base, inbox=inbox)
    if source:
        put(Path(source))
    assert store.do("RM", source=source) == ""
    assert not source or Path(source).exists()
    assert "the file is left as it is" in store.kit.heard[-1].payload


@pytest.mark.parametrize("base", ["", "datastores/1", "/srv/../etc"])
def test_a_datastore_without_a_proper_directory_is_refused(store: Store, base: str) -> None:
    with pytest.raises(Failure, match="must be an absolute path"):
        store.do("MONITOR", base_path=base)
