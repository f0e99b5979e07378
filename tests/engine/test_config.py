"""HOME/trifid.toml: what is taken, and what is refused with the place to mend."""

import pytest

from trifid.engine.config import ConfigFault, load, parse


def test_an_empty_file_is_all_defaults():
    config = parse("", "trifid.toml")
    assert (config.api.port, config.database.url, config.engine.transfer) == (2633, "sqlite:///trifid.db", "shared")
    assert config.drivers.vmm == {}


def test_drivers_are_named_by_their_tables():
    config = parse('[drivers.vmm.kvm]\nexecutable = "vmm-kvm"\ntimeout_s = 30\n', "trifid.toml")
    assert config.drivers.vmm["kvm"].executable == "vmm-kvm"
    assert config.drivers.vmm["kvm"].timeout_s == 30.0


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("port = ", "trifid.toml: "),
        ("[api]\nprot = 1\n", "prot"),
        ("[engines]\n", "engines"),
        ('[api]\nport = "x"\n', "$.api.port"),
        ("[drivers.vmm.kvm]\nexecutable = 1\n", "executable"),
        ('[api]\nproxies = ["*"]', "no address and no network"),
        ('[authentication]\nmethods = ["../ldap"]', "names of small letters"),
        ('[authentication]\nmethods = ["core"]', "core and public are always there"),
        ('[authentication]\nmethods = ["ssh"]\ndefault = "ldap"', "default is 'ldap', which is not in methods"),
        ('[authentication]\nmethods = ["ssh"]\ndriver = "mine"', "driver 'mine' is not in [drivers.auth]"),
        ("[authentication]\ntimeout_s = 0", "timeout_s"),
    ],
)
def test_what_is_wrong_is_named(text, part):
    with pytest.raises(ConfigFault, match=r"trifid\.toml: ") as fault:
        parse(text, "trifid.toml")
    assert part in str(fault.value)


def test_a_home_without_a_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigFault, match="trifid init --home"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("enabled = true\nafter_s = 60", "hosts report every 30 s, so it must be 90 or more"),
        ("after_s = 90\nheartbeat_s = 60", "three times heartbeat_s or more"),
        ("heartbeat_s = 0\nlease_s = 30", "lease_s must be 0, or three times heartbeat_s"),
        ("heartbeat_s = 20\nlease_s = 30", "lease_s must be 0, or three times heartbeat_s"),
    ],
)
def test_times_with_which_a_host_that_is_well_would_be_fenced_are_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigFault, match=why):
        parse(f"[failover]\n{text}\n", "trifid.toml")
    assert not parse("[failover]\nafter_s = 60\n", "trifid.toml").failover.enabled
