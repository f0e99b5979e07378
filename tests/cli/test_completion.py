"""Shells complete words, options, columns, and the names of objects."""

import shutil
import subprocess

import pytest
from click.testing import CliRunner

from tests.cli.conftest import PROGRAMS
from tests.cli.fake_engine import Refusal, host_xml, image_xml, vm_xml
from trifid.cli.completion import programs


@pytest.fixture
def complete(type_in):
    """Return what answers the values that can follow the words; the last one has only begun."""

    def values(program, *words):
        environment = {
            f"_{program.upper()}_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join([program, *words]),
            "COMP_CWORD": str(len(words)),
        }
        done = CliRunner().invoke(PROGRAMS[program], [], env=environment)
        assert not done.stderr
        lines = [line.partition(",") for line in done.stdout.split()]
        assert all(kind in ("plain", "file") for kind, _, _ in lines), done.stdout
        return [value for _, _, value in lines]

    return values


def test_words_and_options(complete):
    assert complete("onevm", "disk-sa") == ["disk-saveas"]
    assert complete("onevm", "list", "--csv") == ["--csv", "--csv-del"]
    assert complete("onevm", "list", "--operator", "o") == ["or"]


def test_words_that_are_not_here_and_words_of_groups(complete):
    assert complete("oneimage", "publish", "x") == []
    assert complete("onevm", "nonsense", "x") == []
    assert complete("trifid", "sched", "rep") == ["replay"]


def test_names_of_objects(fake, complete):
    fake.vms = {1: vm_xml(1, "web1"), 2: vm_xml(2, "web2"), 3: vm_xml(3, "db")}
    fake.hosts = {0: host_xml(0, "node0")}
    assert complete("onevm", "show", "we") == ["web2", "web1"]
    assert complete("onevm", "deploy", "db", "n") == ["node0"]


def test_the_last_name_of_a_list(fake, complete):
    fake.vms = {1: vm_xml(1, "web1"), 3: vm_xml(3, "db")}
    assert complete("onevm", "hold", "db,w") == ["db,web1"]


def test_ids_when_a_number_has_begun(fake, complete):
    fake.vms = {n: vm_xml(n, f"vm{n}") for n in (1, 10, 12, 2)}
    assert complete("onevm", "hold", "1") == ["12", "10", "1"]


def test_a_name_that_a_shell_would_take_for_something_else_is_not_offered(fake, complete):
    fake.vms = {1: vm_xml(1, "a b"), 2: vm_xml(2, "a;rm"), 3: vm_xml(3, "a$x"), 4: vm_xml(4, "a-1"), 5: vm_xml(5, "7")}
    assert complete("onevm", "show", "a") == ["a-1"]


def test_columns_of_the_list(complete):
    assert complete("oneimage", "list", "-l", "ID,PERS") == ["ID,PERSISTENT"]
    assert complete("oneimage", "list", "-o", "ID,-RV") == ["ID,-RVMS"]


def test_files(complete):
    assert complete("onevm", "create", "web.") == ["web."]


def test_another_engine_that_is_named_on_the_line(fake, complete, monkeypatch):
    monkeypatch.setenv("ONE_XMLRPC", "http://127.0.0.1:9/RPC2")
    fake.images = {1: image_xml(1, "debian")}
    assert complete("oneimage", "show", "--endpoint", fake.endpoint, "de") == ["debian"]


@pytest.mark.parametrize("trouble", ["unreachable", "refused", "no session", "nonsense"])
def test_what_goes_wrong_completes_nothing_and_says_nothing(fake, complete, monkeypatch, trouble):
    if trouble == "unreachable":
        monkeypatch.setenv("ONE_XMLRPC", "http://127.0.0.1:9/RPC2")
    elif trouble == "refused":
        fake.answers("one.vmpool.info", Refusal("[one.vmpool.info] no", 0x0100, -1))
    elif trouble == "no session":
        monkeypatch.setenv("ONE_AUTH", "/nonexistent/one_auth")
    else:
        fake.answers("one.vmpool.info", "<VM_POOL><VM>")
    assert complete("onevm", "show", "w") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_one_text_completes_every_command(type_in, shell):
    shown = type_in("trifid", "completion", shell).stdout
    assert {"onevm", "oneimage", "trifid"} <= set(programs())
    assert all(f"_{program.upper()}_COMPLETE={shell}_complete" in shown for program in programs())
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=shown, text=True, check=True, timeout=20)


def test_a_shell_that_is_not_known_is_told_which_are(type_in):
    result = type_in("trifid", "completion", "csh")
    assert result.exit_code == 1
    assert "there is for bash, zsh, fish" in result.stderr


def test_what_is_told_beside_an_id_cannot_be_another_line(fake, type_in):
    fake.vms = {1: vm_xml(1, "a\nplain\nevil")}
    environment = {"_ONEVM_COMPLETE": "zsh_complete", "COMP_WORDS": "onevm show 1", "COMP_CWORD": "2"}
    done = CliRunner().invoke(PROGRAMS["onevm"], [], env=environment)
    assert done.stdout.split() == ["plain", "1", "_"]
