"""Which libvirt a host's name leads to."""

import os
import socket
import subprocess
import urllib.parse
from pathlib import Path

import pytest

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.place import by_way, is_this_machine, uri_for
from trifid.drivers.remote.way import way_of


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", socket.gethostname(), "127.0.0.1", "::1"])
def test_this_machine_has_many_names(name: str) -> None:
    assert is_this_machine(name)


@pytest.mark.parametrize("name", ["host.invalid", "192.0.2.1", "2001:db8::1", "0.0.0.0", "a" * 300])
def test_other_machines_are_others(name: str) -> None:
    assert not is_this_machine(name)


@pytest.mark.parametrize(
    ("pattern", "host", "uri"),
    [
        ("qemu:///system", "localhost", "qemu:///system"),
        ("qemu+ssh://{host}/system", "192.0.2.1", "qemu+ssh://192.0.2.1/system"),
        ("qemu+ssh://root@{host}/system?keyfile=/k", "localhost", "qemu:///system"),
        ("qemu+ssh://root@{host}/system?keyfile=/k", "192.0.2.1", "qemu+ssh://root@192.0.2.1/system?keyfile=/k"),
        ("qemu+ssh://node7/system", "anything", "qemu+ssh://node7/system"),
        ("qemu+unix:///system?socket=/run/x", "anything", "qemu+unix:///system?socket=/run/x"),
        ("qemu+unix:///system?socket=/run/{host}", "localhost", "qemu+unix:///system?socket=/run/localhost"),
        ("test:///default", "anything", "test:///default"),
    ],
)
def test_a_host_leads_to_a_uri(pattern: str, host: str, uri: str) -> None:
    assert uri_for(pattern, host) == uri


@pytest.mark.parametrize(
    ("pattern", "host", "uri"),
    [
        ("qemu:///system", "192.0.2.1", "qemu+ssh://192.0.2.1/system?no_tty=1"),
        ("qemu:///session", "host.invalid", "qemu+ssh://host.invalid/session?no_tty=1"),
        ("xen:///system", "2001:db8::1", "xen+ssh://[2001:db8::1]/system?no_tty=1"),
        ("qemu+tls://{host}/system", "2001:db8::1", "qemu+tls://[2001:db8::1]/system"),
    ],
)
def test_another_machine_is_not_served_by_the_libvirt_of_this_one(pattern: str, host: str, uri: str) -> None:
    assert uri_for(pattern, host) == uri


def test_what_is_no_uri_is_refused() -> None:
    with pytest.raises(Failure, match="--uri system is not like"):
        uri_for("system", "localhost")


def test_the_ssh_of_libvirt_is_ours(tmp_path: Path) -> None:
    way = way_of(tmp_path, "/etc/it's")
    uri = by_way("qemu+ssh://node1/system?socket=/x", way, "node1")
    beginning, _, rest = uri.partition("&")
    assert beginning == "qemu+ssh://node1/system?socket=/x"
    told = dict(urllib.parse.parse_qsl(rest))
    assert told["no_tty"] == "1"
    program = Path(told["command"])
    assert program.stat().st_mode & 0o777 == 0o700
    fake = tmp_path / "bin" / "ssh"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
    words = subprocess.run(
        [program, "-T", "--", "node1", "sh -c 'x'"], capture_output=True, env={"PATH": path}, text=True
    )
    assert words.stdout.splitlines() == [*way.argv("node1", "")[1:-3], "-T", "--", "node1", "sh -c 'x'"]


@pytest.mark.parametrize(
    "uri", ["qemu:///system", "qemu+ssh://node1/system?command=/usr/bin/mine", "qemu+libssh2://node1/system"]
)
def test_a_libvirt_that_is_reached_otherwise_stays_as_it_is(tmp_path: Path, uri: str) -> None:
    assert by_way(uri, way_of(tmp_path), "node1") == uri


def test_one_who_logs_in_as_somebody_else_shares_no_connection(tmp_path: Path) -> None:
    way = way_of(tmp_path)
    calls = set()
    for server in ("node1", "root@node1", "node1:2222"):
        query = urllib.parse.urlsplit(by_way(f"qemu+ssh://{server}/system?no_tty=1", way, "node1")).query
        told = urllib.parse.parse_qs(query)
        assert told["no_tty"] == ["1"]
        calls.add(Path(told["command"][0]).read_text())
    assert len(calls) == 3
