"""onehost accept-key, and onehost create --accept-key."""

import json

import pytest

from tests.cli.fake_engine import Refusal, host_xml

NEW = {"type": "ssh-ed25519", "fingerprint": "SHA256:abc", "standing": "new", "before": ""}
CHANGED = {**NEW, "standing": "changed", "before": "SHA256:old"}


@pytest.fixture
def host(fake):
    """A host whose key is new; accepting it answers the same."""
    fake.hosts[0] = host_xml(0)
    fake.answers("trifid.host.key", json.dumps(NEW))
    fake.answers("trifid.host.accept_key", json.dumps(NEW))
    return fake


def test_a_key_that_is_named_is_accepted(host, type_in):
    out = type_in("onehost", "accept-key", "host1", "SHA256:abc").stdout
    assert host.called("trifid.host.accept_key") == [[0, "SHA256:abc", False]]
    assert out == "ssh-ed25519 SHA256:abc is the host's key from now on.\n"


def test_without_a_terminal_nobody_is_asked_and_nothing_accepted(host, type_in):
    result = type_in("onehost", "accept-key", "host1")
    assert "The host offers ssh-ed25519 SHA256:abc." in result.stdout
    assert "ssh-keygen -lf" in result.stderr and "--yes" in result.stderr
    assert result.exit_code == 255
    assert host.called("trifid.host.accept_key") == []


@pytest.mark.parametrize(("typed", "accepted"), [("y\n", [[0, "SHA256:abc", False]]), ("n\n", [])])
def test_on_a_terminal_the_key_that_was_seen_is_the_one_that_is_accepted(host, type_in, monkeypatch, typed, accepted):
    monkeypatch.setattr("trifid.cli.host_keys.is_terminal", lambda: True)
    type_in("onehost", "accept-key", "host1", stdin=typed)
    assert host.called("trifid.host.accept_key") == accepted


def test_a_key_that_is_known_needs_nothing(host, type_in):
    host.answers("trifid.host.key", json.dumps({**NEW, "standing": "known"}))
    result = type_in("onehost", "accept-key", "host1")
    assert (result.stdout, result.exit_code) == ("ssh-ed25519 SHA256:abc is known.\n", 0)
    assert host.called("trifid.host.accept_key") == []


def test_a_key_that_changed_is_replaced_on_request_only(host, type_in):
    host.answers("trifid.host.key", json.dumps(CHANGED))
    host.answers("trifid.host.accept_key", json.dumps(CHANGED))
    result = type_in("onehost", "accept-key", "host1")
    assert "Before it had SHA256:old." in result.stdout
    assert "somebody may stand in its place" in result.stderr
    assert host.called("trifid.host.accept_key") == []
    out = type_in("onehost", "accept-key", "host1", "--yes", "--replace").stdout
    assert host.called("trifid.host.accept_key") == [[0, "", True]]
    assert out.endswith("from now on, in the place of SHA256:old.\n")


def test_a_host_may_be_added_with_the_key_it_offers(host, type_in):
    host.answers("one.host.allocate", 0)
    out = type_in("onehost", "create", "host1", "--im", "kvm", "--vm", "kvm", "--accept-key").stdout
    assert out == "ID: 0\nssh-ed25519 SHA256:abc is the host's key from now on.\n"
    assert host.called("trifid.host.accept_key") == [[0, "", False]]


def test_a_host_whose_key_cannot_be_had_is_added_all_the_same(host, type_in):
    host.answers("one.host.allocate", 0)
    host.answers("trifid.host.accept_key", Refusal("the key of host host1 cannot be asked for", 0x0800, 0))
    result = type_in("onehost", "create", "host1", "--im", "kvm", "--vm", "kvm", "--accept-key")
    assert result.stdout == "ID: 0\n"
    assert "the key of host host1 cannot be asked for" in result.stderr
    assert 'added without its key; once it is reached: "onehost accept-key host1"' in result.stderr
    assert result.exit_code == 255
