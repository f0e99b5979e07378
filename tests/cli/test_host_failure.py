"""onehost fenced, and the signs of life in onehost show and list."""

import json

from tests.cli.fake_engine import Refusal, host_xml


def test_a_host_is_said_to_be_off_only_with_an_explicit_yes(fake, type_in):
    fake.hosts[0] = host_xml(0)
    refused = type_in("onehost", "fenced", "host1")
    assert refused.exit_code == 255
    assert "say it with --yes" in refused.stderr
    assert fake.called("trifid.host.fenced") == []
    fake.answers("trifid.host.fenced", 0)
    assert type_in("onehost", "fenced", "host1", "--yes").exit_code == 0
    assert fake.called("trifid.host.fenced") == [[0]]


def test_signs_that_contradict_the_word_are_told(fake, type_in):
    fake.hosts[0] = host_xml(0)
    fake.answers("trifid.host.fenced", Refusal("[trifid.host.fenced] host host1 [0] shows signs of life", 0x0800, 0))
    result = type_in("onehost", "fenced", "0", "--yes")
    assert result.exit_code == 255
    assert "shows signs of life" in result.stderr


def test_a_host_is_shown_with_its_signs_and_what_follows(fake, type_in):
    fake.hosts[0] = host_xml(0)
    signs = "monitoring: 95 s ago, heartbeat on datastore 0: 3 s ago"
    told = {"judgement": "CUT_OFF", "signs": signs, "fence": "", "follows": "its VMs stay UNKNOWN: it runs"}
    fake.answers("trifid.host.signs", json.dumps(told))
    out = type_in("onehost", "show", "0").stdout
    for text in ("SIGNS OF LIFE", "CUT_OFF", "heartbeat on datastore 0: 3 s ago", "its VMs stay UNKNOWN"):
        assert text in out
    assert "FENCE" not in out


def test_a_fenced_host_is_listed_as_such(fake, type_in):
    fake.hosts[0] = host_xml(0, FENCED="YES")
    fake.hosts[1] = host_xml(1, FENCED="NO")
    out = type_in("onehost", "list", "-l", "ID,STAT").stdout.split()
    assert (out[out.index("0") + 1], out[out.index("1") + 1]) == ("fenced", "fence?")
