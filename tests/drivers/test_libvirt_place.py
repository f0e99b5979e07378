"""Which libvirt a host's name leads to."""

import socket

import pytest

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.place import is_this_machine, uri_for


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
