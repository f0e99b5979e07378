"""Arguments of the libvirt drivers."""

import pytest

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.options import Options, parse_options


def test_all_options_come_in_one_string() -> None:
    text = (
        "--uri 'qemu+unix:///system?socket=/a b' --type kvm --shutdown-timeout 7.5 --guest-timeout 5 "
        "--cpu-shares v2 --unsafe-migration --pci-filter '10de:*,*:*:0200'"
    )
    expected = Options("qemu+unix:///system?socket=/a b", "kvm", 7.5, 5.0, 100, True, pci_filter="10de:*,*:*:0200")
    assert parse_options(text, "p") == expected


@pytest.mark.parametrize(("uid", "uri"), [(0, "qemu:///system"), (1000, "qemu:///session")])
def test_root_has_the_machines_libvirt_and_others_their_own(
    uid: int, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    assert parse_options("", "p") == Options(uri)


def test_the_engine_is_told_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIFID_ENGINE_ID", "0123456789abcde")
    assert parse_options("", "p").engine_id == "0123456789abcde"


@pytest.mark.parametrize("text", ["--type xen", "--urk x", "--shutdown-timeout soon", "'", "word"])
def test_what_is_wrong_is_said(text: str) -> None:
    with pytest.raises(Failure, match=r"arguments: .+"):
        parse_options(text, "p")
