"""The network driver as a process, and what it says when a host cannot do what it must."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.drivers.harness import DriverProcess, python_driver, running
from tests.drivers.vnm_builders import Computer, document, network, port
from trifid.core.network.host_document import HostDocument
from trifid.drivers.kit import Failure, Kit, Request
from trifid.drivers.vnm.linux import Driver, parse
from trifid.drivers.vnm.tools import AsRoot, Tools
from trifid.wire.host_networks import parse_answer, render
from trifid.wire.lines import Message

PLAIN = replace(document(networks=(), ports=(), groups=()), host="localhost")


@pytest.fixture
def driver(tmp_path: Path, computer: Computer) -> Iterator[DriverProcess]:
    """The driver on a machine whose tools do nothing."""
    for name in ("ip", "tc"):
        computer.program(name, "echo '[]'")
    computer.program("nft", f"[ $1 != -f ] || cat >> {computer.directory}/text")
    home = tmp_path / "home"
    home.mkdir()
    with running(python_driver("trifid.drivers.vnm.linux"), home=home, env={"PATH": computer.path}) as process:
        yield process


def told(driver: DriverProcess, version: int, what: HostDocument = PLAIN) -> tuple[str, str]:
    driver.ask("APPLY", 3, render(replace(what, version=version)))
    answer = driver.answer()
    assert (answer.type, answer.oid) == ("APPLY", 3)
    return answer.status, answer.payload


def test_a_document_is_applied_and_its_version_answered(driver: DriverProcess, computer: Computer) -> None:
    assert told(driver, 7) == ("SUCCESS", "7")
    assert computer.asked[:2] == ["ip -j -d address show", "nft -f -"]
    assert (computer.directory / "text").read_text().startswith("table bridge trifid_ab12cd34 {")
    assert told(driver, 7) == ("SUCCESS", "7")


def test_an_older_document_than_one_applied_is_refused(driver: DriverProcess) -> None:
    told(driver, 7)
    status, text = told(driver, 6)
    assert status == "FAILURE"
    assert "step 6 is out of date, step 7 was seen already" in text


def test_a_document_that_cannot_be_read_or_names_what_it_may_not_is_refused(driver: DriverProcess) -> None:
    driver.ask("APPLY", 3, "bm9uZQ==")
    assert "cannot be read" in driver.answer().payload
    wrong = replace(document(ports=(port(device="a;reboot"),)), host="localhost")
    assert told(driver, 8, wrong)[1].startswith("NIC 0 of VM 5: the interface cannot be 'a;reboot'")


def test_a_host_without_nft_is_told_which_package_has_it(tmp_path: Path, computer: Computer) -> None:
    computer.program("ip", "echo '[]'")
    computer.program("nft", "exec missing-program")
    host = Tools(computer.host())
    with pytest.raises(Failure, match="host host-a has no no-such-program: install the package no-such-program"):
        host.run("no-such-program")
    with pytest.raises(Failure, match="has no missing-program"):
        host.feed("text", "nft", "-f", "-")


@pytest.mark.parametrize(
    ("says", "text"),
    [
        ("RTNETLINK answers: Operation not permitted", "it needs root there: see the argument --sudo"),
        ("sudo: a password is required", "let the driver's user run ip there through sudo without a password"),
        ("ip: command not found", "host host-a has no ip: install the package iproute2"),
    ],
)
def test_what_a_host_refuses_is_explained(computer: Computer, says: str, text: str) -> None:
    computer.program("ip", f"echo '{says}' >&2; exit 1")
    with pytest.raises(Failure, match=text):
        Tools(computer.host()).run("ip", "link", "show")


def test_commands_go_through_sudo_when_they_shall(computer: Computer) -> None:
    computer.program("sudo", 'shift; exec "$@"')
    computer.program("ip", "echo up")
    computer.program("nft", "cat")
    tools = Tools(AsRoot(computer.host()))
    assert tools.run("ip", "link") == "up\n"
    assert tools.feed("rules", "nft", "-f", "-") == "rules"
    assert computer.asked == ["sudo -n ip link", "ip link", "sudo -n nft -f -", "nft -f -"]


def test_words_reach_a_program_as_they_are(computer: Computer) -> None:
    computer.program("ip", 'for word; do printf "<%s>" "$word"; done')
    odd = ["$(reboot)", "`x`", "a;b", "a\nb", "'\"", "*"]
    assert Tools(computer.host()).run("ip", *odd) == "".join(f"<{word}>" for word in odd)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--what", "unrecognized arguments: --what"),
        ("--vxlan-port 0", "--vxlan-port 0: expected 1 to 65535"),
        ("--ssh-config /no/such/file", "there is no such file"),
        ("'", "No closing quotation"),
    ],
)
def test_a_wrong_argument_is_named(tmp_path: Path, arguments: str, text: str) -> None:
    with pytest.raises(Failure, match=text):
        parse(arguments, tmp_path)


def test_arguments_say_how_hosts_are_reached(tmp_path: Path) -> None:
    settings = parse("--sudo --vxlan-port 8472 --frontend front", tmp_path)
    assert settings.vxlan_port == 8472
    assert isinstance(settings.host("front"), AsRoot)
    assert settings.host("front").is_here


def test_a_document_that_waits_behind_a_newer_one_is_superseded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computer: Computer
) -> None:
    monkeypatch.setenv("TRIFID_HOME", str(tmp_path))
    driver = Driver("")
    kit = Kit("vnm-linux", {"APPLY": driver.apply})
    driver.begin(kit)
    old, new = (render(replace(PLAIN, version=version)) for version in (4, 5))
    assert [driver.step_of(payload) for payload in (old, new)] == [4, 5]
    request = Request(kit, Message("APPLY", "-", 3, old), 4)
    with pytest.raises(Failure, match="version 4 is superseded by version 5, which waits"):
        driver.apply(request)


# -- one network's trouble -----------------------------------------------------------------------------

FAILS_AT = """
case "$*" in
*address*) echo '[{"ifname": "eth1"}]';;
*"master onebr2"*) echo 'no room' >&2; exit 1;;
esac
"""


def test_what_fails_for_one_network_is_its_trouble_and_the_others_are_made(
    driver: DriverProcess, computer: Computer
) -> None:
    computer.program("ip", FAILS_AT)
    networks = (
        network(1, driver="802.1Q", vlan_id=7),
        network(2, driver="802.1Q", phydev="eth1", vlan_id=8),
        network(3, driver="bridge", phydev="eth9"),
        network(4, driver="ovswitch"),
        network(5, driver="802.1Q", phydev="eth1", vlan_id=9),
    )
    ports = tuple(port(n, n, is_filtered=False) for n in range(1, 6))
    status, payload = told(driver, 7, replace(document(networks=networks, ports=ports), host="localhost"))
    version, troubles = parse_answer(payload)
    assert (status, version, list(troubles)) == ("SUCCESS", "7", [1, 2, 3, 4])
    assert "it has no PHYDEV" in troubles[1]
    assert "no room" in troubles[2]
    assert "there is no interface eth9" in troubles[3]
    assert "FILTER_MAC_SPOOFING" in troubles[4]
    assert "ip link set dev eth1.9 master onebr5 up" in computer.asked
    assert "one-1-0" in (computer.directory / "text").read_text()


def test_without_filters_nothing_is_said_of_any_network(driver: DriverProcess, computer: Computer) -> None:
    computer.program("nft", "echo 'syntax error' >&2; exit 1")
    status, text = told(driver, 7)
    assert status == "FAILURE"
    assert "syntax error" in text


def test_a_program_that_reads_no_more_of_its_input_is_not_waited_for_for_ever(computer: Computer) -> None:
    computer.program("nft", "exec sleep 60")
    with pytest.raises(Failure, match=r"host host-a: nft -f -: not done after 0\.2 s"):
        Tools(computer.host(), timeout_s=0.2).feed("text", "nft", "-f", "-")
