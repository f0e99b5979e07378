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
    ],
)
def test_what_is_wrong_is_named(text, part):
    with pytest.raises(ConfigFault, match=r"trifid\.toml: ") as fault:
        parse(text, "trifid.toml")
    assert part in str(fault.value)


def test_a_home_without_a_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigFault, match="trifid init --home"):
        load(tmp_path)
