"""trifid, typed: homes are made, looked at, and refused; that an engine starts is for the tests of the daemon."""

import fcntl
import json
import os
import re
import stat
import tomllib
from pathlib import Path

import pytest

from tests.cli.fake_engine import SESSION, Refusal, host_xml, vm_xml
from trifid.cli.engine_start import warn_of_drivers
from trifid.cli.engine_status import without_password
from trifid.cli.failure import Failure
from trifid.cli.home import Home
from trifid.cli.shell import Shell
from trifid.engine.config import DriverSettings, load
from trifid.engine.drivers import Driver
from trifid.store.interface import StoreFault
from trifid.store.sql import open_store


@pytest.fixture
def home(type_in, tmp_path) -> Path:
    path = tmp_path / "home"
    assert type_in("trifid", "init", "--home", str(path), "--drivers", "dummy", "--port", "2700").exit_code == 0
    return path


@pytest.fixture
def running(fake, home):
    """A home whose engine seems to run: this process holds its lock, and the fake engine answers."""
    settings = home / "trifid.toml"
    settings.write_text(settings.read_text().replace("2700", str(fake.port)))
    (home / "one_auth").write_text(SESSION)
    with (home / "run" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # A process of this test; ours is the only one that has the lock open.
        (home / "run" / "trifidd.pid").write_text(f"{Path('/proc/self').resolve().name}\n")
        yield home


class TestInit:
    def test_programs_of_ones_own_have_a_place_at_once(self, home):
        assert (home / "hooks").is_dir()
        assert (home / "auth").is_dir()

    def test_a_home_has_a_configuration_that_the_engine_reads(self, home):
        config = load(home)
        assert (config.api.listen, config.api.port) == ("127.0.0.1", 2700)
        assert config.database.url == "sqlite:///trifid.db"
        assert config.engine.transfer == "dummy"
        assert config.drivers.vmm["dummy"].executable == "trifid-vmm-dummy"

    def test_values_that_are_commented_out_are_the_defaults(self, home):
        text = (home / "trifid.toml").read_text()
        lines = [line[1:] if line.startswith("#") and line[1:2].isalpha() else line for line in text.splitlines()]
        (home / "trifid.toml").write_text("\n".join(lines))
        assert load(home) == load_of(text, home)

    def test_the_secret_is_random_and_for_the_owner_alone(self, home, type_in, tmp_path):
        type_in("trifid", "init", "--home", str(tmp_path / "other"))
        secrets = [(path / "one_auth").read_text() for path in (home, tmp_path / "other")]
        assert all(secret.startswith("oneadmin:") and len(secret) > 30 for secret in secrets)
        assert secrets[0] != secrets[1]
        assert stat.S_IMODE((home / "one_auth").stat().st_mode) == 0o600

    def test_libvirt_is_the_default_with_its_drivers(self, type_in, tmp_path):
        type_in("trifid", "init", "--home", str(tmp_path / "h"))
        config = load(tmp_path / "h")
        assert config.engine.transfer == "shared"
        assert sorted(config.drivers.vmm) == sorted(config.drivers.im) == ["kvm", "qemu"]
        assert config.drivers.vmm["qemu"].arguments.endswith("--type qemu")
        assert config.drivers.vmm["kvm"].arguments.startswith("--uri qemu:///s")
        assert list(config.drivers.tm) == ["shared", "qcow2", "ssh"]
        assert config.drivers.ds["fs"].timeout_s == 3600

    def test_every_hypervisor_that_is_shipped_is_there_to_be_switched_on(self, type_in, tmp_path):
        type_in("trifid", "init", "--home", str(tmp_path / "h"))
        file = tmp_path / "h" / "trifid.toml"
        file.write_text(re.sub(r"^#(\[drivers|executable|arguments|$)", r"\1", file.read_text(), flags=re.MULTILINE))
        config = load(tmp_path / "h")
        assert sorted(config.drivers.vmm) == sorted(config.drivers.im) == ["kvm", "lxc", "qemu", "xen"]
        assert config.drivers.vmm["xen"].arguments == config.drivers.im["xen"].arguments == "--uri xen:///system"

    def test_listen_and_database_are_written_as_given(self, type_in, tmp_path):
        url = 'postgresql+psycopg://me:pa"ss@db/trifid'
        type_in("trifid", "init", "--home", str(tmp_path / "h"), "--listen", "::1", "--db", url)
        config = load(tmp_path / "h")
        assert (config.api.listen, config.database.url) == ("::1", url)
        assert stat.S_IMODE((tmp_path / "h" / "trifid.toml").stat().st_mode) == 0o600

    def test_a_home_is_not_made_twice_unless_forced_and_then_keeps_its_secret(self, type_in, home):
        secret = (home / "one_auth").read_text()
        refused = type_in("trifid", "init", "--home", str(home))
        assert refused.exit_code == 1
        assert "is the home of an engine already" in refused.stderr
        assert type_in("trifid", "init", "--home", str(home), "--port", "2701", "--force").exit_code == 0
        assert load(home).api.port == 2701
        assert (home / "one_auth").read_text() == secret

    @pytest.mark.parametrize("name", ["a b", "a\tb", "a\nb", "a\x07b", "a\N{NO-BREAK SPACE}b"])
    def test_a_path_that_driver_lines_cannot_carry_is_refused(self, type_in, tmp_path, name):
        result = type_in("trifid", "init", "--home", str(tmp_path / name))
        assert result.exit_code == 1
        assert "cannot be a home" in result.stderr
        assert not (tmp_path / name).exists()

    def test_a_home_that_cannot_be_written_is_told(self, type_in, tmp_path):
        (tmp_path / "file").write_text("")
        result = type_in("trifid", "init", "--home", str(tmp_path / "file" / "home"))
        assert result.exit_code == 1
        assert "Not a directory" in result.stderr

    @pytest.mark.parametrize(
        "url",
        [
            "foo://x",
            "mysql+pymysql://me@db/trifid",
            "not a url",
            "",
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite:///x.db?mode=ro",
            "postgresql+psycopg://me:pa@ss@db/trifid",
        ],
    )
    def test_a_database_that_the_engine_refuses_is_refused_here_in_its_words(self, type_in, tmp_path, url):
        with pytest.raises(StoreFault) as refused:
            open_store(url, tmp_path)
        result = type_in("trifid", "init", "--home", str(tmp_path / "h"), f"--db={url}")
        assert result.exit_code == 1
        assert result.stderr == f"Error: {refused.value}\n"
        assert not (tmp_path / "h").exists()

    def test_what_users_may_name_is_explained(self, home):
        assert "#user_paths = []" in (home / "trifid.toml").read_text()

    def test_a_port_that_is_none(self, type_in, tmp_path):
        assert type_in("trifid", "init", "--home", str(tmp_path / "h"), "--port", "70000").exit_code == 1

    def test_nowhere_is_no_home(self, type_in):
        result = type_in("trifid", "init")
        assert result.exit_code == 1
        assert "TRIFID_HOME" in result.stderr


def children(home: Path, troubles: dict[str, str]) -> None:
    found = [{"name": name, "pid": 0, "trouble": trouble} for name, trouble in troubles.items()]
    (home / "run" / "children.json").write_text(json.dumps(found))


class Hearer:
    """Hears nothing: its driver is never started."""

    def driver_ready(self, driver) -> None: ...

    def driver_said(self, driver, message) -> None: ...

    def driver_down(self, driver, why) -> None: ...


class StillShell(Shell):
    """A shell whose time goes by only when it sleeps; `then` happens meanwhile."""

    def __init__(self, then=lambda: None) -> None:
        super().__init__()
        self.slept_s = 0.0
        self._then = then

    def clock(self) -> float:
        return self.slept_s

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self._then()


def load_of(text: str, home: Path):
    (home / "trifid.toml").write_text(text)
    return load(home)


class TestStatus:
    def test_it_is_3_when_none_runs(self, type_in, home):
        result = type_in("trifid", "status", "--home", str(home))
        assert result.exit_code == 3
        assert "STATE               : not running" in result.stdout
        assert f"trifid start --home {home}" in result.stdout

    def test_an_old_pid_file_is_not_believed(self, type_in, home):
        (home / "run" / "lock").touch()
        (home / "run" / "trifidd.pid").write_text("1\n")
        assert type_in("trifid", "status", "--home", str(home)).exit_code == 3

    def test_what_runs_is_told(self, fake, type_in, running):
        children = [
            {"name": "vmm driver dummy", "pid": 4711, "trouble": ""},
            {"name": "im driver dummy", "pid": 0, "trouble": "executable trifid-im-dummy not found"},
        ]
        (running / "run" / "children.json").write_text(json.dumps(children))
        fake.hosts = {0: host_xml(0), 1: host_xml(1, state=3)}
        fake.vms = {0: vm_xml(0), 1: vm_xml(1, state=1, lcm=0)}
        result = type_in("trifid", "status", "--home", str(running))
        assert result.exit_code == 0
        assert "STATE               : running, process" in result.stdout
        assert "VERSION             : 0.1.0, speaks the API of 7.4.0" in result.stdout
        assert "vmm driver dummy    : process 4711" in result.stdout
        assert "im driver dummy     : no process: executable trifid-im-dummy not found" in result.stdout
        assert "HOSTS               : 2 (1 err, 1 on)" in result.stdout
        assert "VMS                 : 2 (1 pend, 1 runn)" in result.stdout

    def test_the_home_comes_from_the_environment(self, type_in, running, monkeypatch):
        monkeypatch.setenv("TRIFID_HOME", str(running))
        assert type_in("trifid", "status").exit_code == 0

    def test_pids_are_for_scripts(self, type_in, running):
        (running / "run" / "children.json").write_text('[{"name": "scheduler", "pid": 4711, "trouble": ""}]')
        lines = type_in("trifid", "status", "--home", str(running), "--pids").stdout.splitlines()
        assert lines[0].endswith(" engine")
        assert lines[1] == "4711 scheduler"

    def test_json_is_for_programs(self, fake, type_in, running):
        found = json.loads(type_in("trifid", "status", "--home", str(running), "--json").stdout)
        assert (found["running"], found["version"], found["endpoint"]) == (True, "0.1.0", fake.endpoint)

    def test_one_that_does_not_let_us_in_is_running_with_trouble(self, fake, type_in, running):
        fake.answers("trifid.system.version", Refusal("not authenticated", 0x0100, -1))
        result = type_in("trifid", "status", "--home", str(running))
        assert result.exit_code == 1
        assert "TROUBLE             : not authenticated" in result.stdout

    def test_a_broken_configuration_is_named(self, type_in, home):
        (home / "trifid.toml").write_text("[api\n")
        result = type_in("trifid", "status", "--home", str(home))
        assert result.exit_code == 1
        assert str(home / "trifid.toml") in result.stderr

    def test_passwords_of_databases_are_not_shown(self):
        assert without_password("postgresql+psycopg://me:pass@db:5/x") == "postgresql+psycopg://me:***@db:5/x"
        assert without_password("postgresql+psycopg://me@db/x") == "postgresql+psycopg://me@db/x"
        assert without_password("sqlite:///trifid.db") == "sqlite:///trifid.db"


class TestStartAndStop:
    @pytest.mark.parametrize("command", ["start", "stop", "status"])
    def test_a_directory_that_is_no_home(self, type_in, tmp_path, command):
        result = type_in("trifid", command, "--home", str(tmp_path))
        assert result.exit_code == 1
        assert f"trifid init --home {tmp_path}" in result.stderr

    def test_the_reason_of_an_engine_that_cannot_serve_is_told(self, type_in, home):
        with (home / "trifid.toml").open("a") as settings:
            settings.write("[nonsense]\n")
        result = type_in("trifid", "start", "--home", str(home))
        assert result.exit_code == 1
        assert "nonsense" in result.stderr
        assert "Traceback" not in result.stderr
        assert tomllib.loads((home / "trifid.toml").read_text())["nonsense"] == {}

    def test_a_home_that_cannot_be_written_tells_what_is_needed(self, type_in, home):
        (home / "log" / "trifidd.log").mkdir()
        result = type_in("trifid", "start", "--home", str(home))
        assert result.exit_code == 1
        assert f"Error: {home}/log/trifidd.log: Is a directory\n" in result.stderr
        assert f"an engine must be able to write in {home}" in result.stderr

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
    def test_the_home_of_another_user_is_for_its_owner(self, home):
        os.chown(home, 65534, 65534)
        with pytest.raises(Failure) as refused, Home(home).writing():
            raise PermissionError(13, "Permission denied", str(home / "run" / "lock"))
        assert refused.value.text == f"{home}/run/lock: Permission denied"
        assert refused.value.next == f"run this command as the owner of {home}"

    def test_drivers_that_do_not_come_up_are_told(self, home, capsys):
        children(home, {"vmm driver x": "", "tm driver x": "executable y not found", "scheduler": "switched off"})
        warn_of_drivers(Shell(), Home(home))
        stderr = capsys.readouterr().err
        assert "Warning: the tm driver x is down: executable y not found" in stderr
        assert "vmm driver" not in stderr
        assert "scheduler" not in stderr

    def test_drivers_that_are_just_coming_up_are_waited_for_but_not_for_long(self, home, capsys):
        being_started = Driver("vmm", "x", DriverSettings("x"), home, Hearer()).trouble
        children(home, {"vmm driver x": being_started})
        shell = StillShell()
        warn_of_drivers(shell, Home(home))
        assert 0.5 < shell.slept_s < 1.5
        children(home, {"vmm driver x": being_started})
        shell = StillShell(then=lambda: children(home, {"vmm driver x": "it ended"}))
        warn_of_drivers(shell, Home(home))
        assert shell.slept_s < 0.5
        assert capsys.readouterr().err.count("Warning") == 1

    def test_one_that_runs_already_is_left_alone(self, type_in, running):
        result = type_in("trifid", "start", "--home", str(running))
        assert result.exit_code == 0
        assert "runs already" in result.stdout

    def test_a_home_in_use_gets_no_new_configuration(self, type_in, running):
        result = type_in("trifid", "init", "--home", str(running), "--force")
        assert result.exit_code == 1
        assert "trifid stop" in result.stderr

    def test_stopping_what_does_not_run_is_done_already(self, type_in, home):
        result = type_in("trifid", "stop", "--home", str(home))
        assert result.exit_code == 0
        assert "No engine runs" in result.stdout
