"""Where the engine is and who calls, from the environment."""

import pytest

from trifid.client import ClientError, NoSession, from_environment
from trifid.client.session import endpoint_of


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch, tmp_path):
    for name in ("ONE_AUTH", "ONE_XMLRPC", "TRIFID_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))


def home_of(tmp_path, name="home", port=2700, listen="127.0.0.1", session="oneadmin:a"):
    path = tmp_path / name
    path.mkdir()
    (path / "trifid.toml").write_text(f'[api]\nlisten = "{listen}"\nport = {port}\n')
    (path / "one_auth").write_text(f"{session}\n")
    return path


def test_one_auth_and_one_xmlrpc_as_all_clients_have_it(tmp_path, monkeypatch):
    (tmp_path / "auth").write_text("alice:se:cret\nsecond line\n")
    monkeypatch.setenv("ONE_AUTH", str(tmp_path / "auth"))
    monkeypatch.setenv("ONE_XMLRPC", "http://example.org:9/RPC2")
    assert from_environment() == ("http://example.org:9/RPC2", "alice:se:cret")


def test_the_users_own_file_and_the_usual_port_are_the_last_resort(tmp_path):
    (tmp_path / "user" / ".one").mkdir(parents=True)
    (tmp_path / "user" / ".one" / "one_auth").write_text("alice:b")
    assert from_environment() == ("http://localhost:2633/RPC2", "alice:b")


def test_trifid_home_gives_both(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIFID_HOME", str(home_of(tmp_path)))
    assert from_environment() == ("http://127.0.0.1:2700/RPC2", "oneadmin:a")


def test_a_home_that_is_none_does_not_send_calls_to_another_engine(tmp_path, monkeypatch):
    home_of(tmp_path)
    monkeypatch.setenv("TRIFID_HOME", str(tmp_path / "hom"))
    with pytest.raises(ClientError, match=r"TRIFID_HOME names .*/hom, which is no home of an engine"):
        from_environment()
    monkeypatch.setenv("ONE_XMLRPC", "http://example.org:9/RPC2")
    assert endpoint_of() == "http://example.org:9/RPC2"


def test_a_home_that_is_named_comes_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIFID_HOME", str(home_of(tmp_path)))
    monkeypatch.setenv("ONE_XMLRPC", "http://example.org:9/RPC2")
    other = home_of(tmp_path, "other", 2701, session="oneadmin:b")
    assert from_environment(other) == ("http://127.0.0.1:2701/RPC2", "oneadmin:b")


@pytest.mark.parametrize(("listen", "host"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("10.1.1.1", "10.1.1.1")])
def test_an_engine_that_listens_anywhere_is_called_on_the_loopback(tmp_path, listen, host):
    assert endpoint_of(home_of(tmp_path, listen=listen)) == f"http://{host}:2700/RPC2"


def test_a_session_that_is_none(tmp_path, monkeypatch):
    (tmp_path / "auth").write_text("without-colon\n")
    monkeypatch.setenv("ONE_AUTH", str(tmp_path / "auth"))
    with pytest.raises(NoSession, match="one line USER:PASSWORD") as none:
        from_environment()
    assert "without-colon" not in str(none.value)


def test_no_file_with_a_session(monkeypatch):
    monkeypatch.setenv("ONE_AUTH", "/nowhere/one_auth")
    with pytest.raises(NoSession, match="/nowhere/one_auth: No such file"):
        from_environment()


def test_a_configuration_that_cannot_be_read_is_named(tmp_path):
    home = home_of(tmp_path)
    (home / "trifid.toml").write_text("[api")
    with pytest.raises(ClientError, match=r"trifid\.toml"):
        endpoint_of(home)
    (home / "trifid.toml").write_text("api = 3")
    with pytest.raises(ClientError, match=r"trifid\.toml"):
        endpoint_of(home)
