"""The fence driver as a process: it says off only of what was seen off, and keeps secrets to itself."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.fence_controllers import Redfish, ipmitool, self_signed
from tests.drivers.harness import DriverProcess, python_driver, running
from trifid.wire.fence_action import FenceActionData, render

SECRET = "correct horse battery staple"
IPMI = {"METHOD": "ipmi", "ADDRESS": "10.0.0.3", "USER": "admin", "SECRET": "node3"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """HOME/fence, with a password that only its owner may read."""
    place = tmp_path / "home" / "fence"
    place.mkdir(parents=True)
    (place / "node3").write_text(f"{SECRET}\n")
    (place / "node3").chmod(0o600)
    return place


@pytest.fixture
def driver(tmp_path: Path, place: Path) -> Iterator[DriverProcess]:
    ipmitool(tmp_path / "bin", SECRET)
    env = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    with running(python_driver("trifid.drivers.fence.main"), home=place.parent, env=env) as process:
        yield process


def told(driver: DriverProcess, word: str, *methods: dict[str, str]) -> tuple[str, str]:
    driver.ask(word, 3, render(FenceActionData(3, "node3", methods)))
    answer = driver.answer()
    assert (answer.type, answer.oid) == (word, 3)
    return answer.status, answer.payload


def script(place: Path, text: str, name: str = "pdu") -> dict[str, str]:
    (place / name).write_text(f"#!/bin/sh\n{text}\n")
    (place / name).chmod(0o755)
    return {"METHOD": "script", "PROGRAM": name, "ARGUMENT": "outlet 7"}


def test_ipmi_switches_off_and_is_asked_for_the_power_afterwards(driver: DriverProcess, tmp_path: Path) -> None:
    assert told(driver, "STATUS", IPMI) == ("SUCCESS", "STATE=on METHOD=ipmi")
    assert told(driver, "FENCE", IPMI) == ("SUCCESS", "STATE=off METHOD=ipmi")
    assert told(driver, "STATUS", IPMI) == ("SUCCESS", "STATE=off METHOD=ipmi")
    asked = (tmp_path / "bin" / "asked").read_text().splitlines()
    assert [line.rpartition(" ")[2] for line in asked] == ["status", "off", "status", "status"]


def test_a_password_is_on_no_command_line_and_in_no_answer(driver: DriverProcess, tmp_path: Path, place: Path) -> None:
    told(driver, "FENCE", IPMI)
    assert SECRET not in (tmp_path / "bin" / "asked").read_text()
    (place / "node3").write_text("wrong\n")
    status, text = told(driver, "FENCE", IPMI)
    assert status == "FAILURE" and "HMAC is invalid" in text
    assert "wrong" not in text and SECRET not in text


def test_a_password_that_others_may_read_is_not_used(driver: DriverProcess, place: Path) -> None:
    (place / "node3").chmod(0o640)
    status, text = told(driver, "FENCE", IPMI)
    assert status == "FAILURE" and "only its owner may read" in text


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"ADDRESS": "-x"}, "FENCE/ADDRESS of host node3 must be a name or an address"),
        ({"USER": "-f /etc/shadow"}, "FENCE/USER of host node3 must be a name to log in with"),
        ({"SECRET": "../one_auth"}, "FENCE/SECRET of host node3 must be the name of a file in"),
        ({"PORT": "ssh"}, "FENCE/PORT of host node3 must be a port"),
        ({"METHOD": "voodoo"}, "must be one of ipmi, redfish, script"),
    ],
)
def test_attributes_that_could_mean_something_else_are_refused(driver: DriverProcess, wrong: dict, why: str) -> None:
    status, text = told(driver, "FENCE", IPMI | wrong)
    assert status == "FAILURE" and why in text


def test_the_next_way_is_tried_when_one_does_not_switch_off(driver: DriverProcess, place: Path) -> None:
    works = script(place, f'echo "$@" >> {place}/asked; exit 0')
    (place / "node3").unlink()
    assert told(driver, "FENCE", IPMI, works) == ("SUCCESS", "STATE=off METHOD=script")
    assert (place / "asked").read_text() == "off node3 3 outlet 7\nstatus node3 3 outlet 7\n"


def test_what_is_ordered_off_and_seen_on_is_not_off(driver: DriverProcess, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "bin" / "stuck").touch()
    driver.ask("FENCE", 3, render(FenceActionData(3, "node3", (IPMI,))))
    driver.ask("DRIVER_CANCEL", 3)
    answer = driver.answer()
    assert answer.status == "FAILURE"
    assert told(driver, "STATUS", IPMI) == ("SUCCESS", "STATE=on METHOD=ipmi")


def test_all_troubles_are_told_when_no_way_works(driver: DriverProcess, place: Path) -> None:
    status, text = told(driver, "FENCE", IPMI | {"SECRET": "none"}, script(place, "echo no such outlet >&2; exit 2"))
    assert status == "FAILURE"
    assert "ipmi: " in text and "No such file" in text
    assert "script: " in text and "no such outlet" in text


def test_a_way_that_sees_it_on_outweighs_one_that_says_off(driver: DriverProcess, place: Path) -> None:
    assert told(driver, "STATUS", script(place, "exit 0"), IPMI) == ("SUCCESS", "STATE=on METHOD=ipmi")


def test_a_way_that_does_not_answer_says_nothing(driver: DriverProcess, place: Path) -> None:
    broken = script(place, "exit 1")
    assert told(driver, "STATUS", broken) == ("FAILURE", "nothing tells whether it is off")
    assert told(driver, "STATUS", broken, script(place, "exit 0", "other") | {"PROGRAM": "other"}) == (
        "SUCCESS",
        "STATE=off METHOD=script",
    )


# -- Redfish -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "controller.pem")


def redfish(service: Redfish, **more: str) -> dict[str, str]:
    place = {"METHOD": "redfish", "ADDRESS": "127.0.0.1", "PORT": str(service.port)}
    return place | {"USER": "admin", "SECRET": "node3"} | more


def test_redfish_switches_off_over_tls_that_is_checked(driver: DriverProcess, place: Path, certificate: Path) -> None:
    (place / "ca.crt").write_text(certificate.with_suffix(".crt").read_text())
    with Redfish("admin", SECRET).serving(certificate) as service:
        status, text = told(driver, "STATUS", redfish(service))
        assert status == "FAILURE" and "certificate verify failed" in text
        trusted = redfish(service, CA="ca.crt")
        assert told(driver, "STATUS", trusted) == ("SUCCESS", "STATE=on METHOD=redfish")
        assert told(driver, "FENCE", trusted) == ("SUCCESS", "STATE=off METHOD=redfish")
        assert service.power == "Off"
        assert told(driver, "STATUS", redfish(service, INSECURE="yes")) == ("SUCCESS", "STATE=off METHOD=redfish")


def test_redfish_without_tls_must_be_said_to_be_insecure(driver: DriverProcess) -> None:
    with Redfish("admin", SECRET).serving() as service:
        status, text = told(driver, "STATUS", redfish(service, TLS="no"))
        assert status == "FAILURE" and "shows the password to the network" in text
        assert service.asked == []
        assert told(driver, "STATUS", redfish(service, TLS="no", INSECURE="yes"))[0] == "SUCCESS"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"<html>", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"{" + b" " * (1 << 20) + b"}", "answers more than 1048576 bytes"),
        (b'{"Members": [{"@odata.id": "//evil/redfish"}]}', "no path of Redfish"),
        (b'{"Members": [{"@odata.id": 7}]}', "no path of Redfish"),
        (b'{"Members": []}', "manages 0 systems: name that of host node3 as SYSTEM"),
    ],
)
def test_a_controller_that_answers_nonsense_is_not_believed(driver: DriverProcess, answer: bytes, why: str) -> None:
    with Redfish("admin", SECRET).serving() as service:
        service.answer = answer
        status, text = told(driver, "STATUS", redfish(service, TLS="no", INSECURE="yes"))
        assert status == "FAILURE" and why in text


def test_a_wrong_password_is_told_without_it(driver: DriverProcess) -> None:
    with Redfish("admin", "another").serving() as service:
        status, text = told(driver, "FENCE", redfish(service, TLS="no", INSECURE="yes"))
    assert status == "FAILURE" and "answered 401" in text and SECRET not in text
