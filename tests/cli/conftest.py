"""What the tests of the command line share: an engine, and a way to type commands."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.cli.fake_engine import SESSION, FakeEngine
from trifid.cli import (
    acct,
    acl,
    cluster,
    datastore,
    engine,
    group,
    hook,
    host,
    image,
    network,
    network_template,
    sched,
    security_group,
    showback,
    template,
    user,
    vdc,
    vm,
    vm_group,
    zone,
)

PROGRAMS = {
    "onevm": vm.main,
    "onehost": host.main,
    "onevnet": network.main,
    "onevntemplate": network_template.main,
    "onesecgroup": security_group.main,
    "onevmgroup": vm_group.main,
    "onecluster": cluster.main,
    "onehook": hook.main,
    "oneuser": user.main,
    "onegroup": group.main,
    "oneacl": acl.main,
    "onevdc": vdc.main,
    "onezone": zone.main,
    "oneacct": acct.main,
    "oneshowback": showback.main,
    "oneimage": image.main,
    "onedatastore": datastore.main,
    "onetemplate": template.main,
    "trifid": engine.main,
    "trifid sched": sched.main,
}

Type = Callable[..., Result]


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture
def type_in(fake: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Return what types a command line: its standard output, its errors and its exit status come back."""
    session = tmp_path / "session"
    session.write_text(f"{SESSION}\n")
    (tmp_path / "user").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "user"))  # commands write ~/.one
    monkeypatch.setenv("ONE_AUTH", str(session))
    monkeypatch.setenv("ONE_XMLRPC", fake.endpoint)
    monkeypatch.delenv("TRIFID_HOME", raising=False)

    def type_line(program: str, *words: str, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(PROGRAMS[program], list(words), input=stdin)
        # What is not an exit is a traceback on the user's terminal.
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return type_line
