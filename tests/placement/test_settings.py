import pytest

from trifid.placement.settings import BadSettings, Executable, Settings, settings_from


def test_nothing_set_is_the_defaults():
    assert settings_from({}) == Settings()


def test_tables_inside_are_read():
    settings = settings_from(
        {"policy": "packing", "executable": {"command": ["prog", "-v"], "timeout_s": 3}, "scorers": {"cool": 2}}
    )
    assert settings.policy == "packing"
    assert settings.executable == Executable(command=("prog", "-v"), timeout_s=3.0)
    assert settings.scorers == {"cool": 2.0}


def test_a_policy_is_known_by_its_name_and_a_custom_one_by_its_rank():
    assert settings_from({"policy": "packing"}).host_policy == "packing"
    custom = settings_from(
        {"policy": "custom", "rank": "FREE_CPU * 2", "datastore_policy": "custom", "datastore_rank": "SPEED"}
    )
    assert (custom.host_policy, custom.storage_policy, custom.address_policy) == ("FREE_CPU * 2", "SPEED", "striping")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"polcy": "packing"}, '[scheduler] has no key "polcy" (did you mean "policy"?)'),
        ({"recording": {"files": 3}}, '[scheduler.recording] has no key "files" (did you mean "files_max"?)'),
        ({"recording": 3}, "[scheduler] recording: expected a table [scheduler.recording]"),
        ({"policy": "pakcing"}, '[scheduler] policy: there is no policy "pakcing" (did you mean "packing"?)'),
        ({"datastore_policy": "load-aware"}, '[scheduler] datastore_policy: there is no policy "load-aware"'),
        ({"policy": "custom"}, '[scheduler] policy is "custom", but rank is missing'),
        ({"policy": "custom", "rank": "FREE_CPU +"}, "[scheduler] rank: "),
        ({"rank": "FREE_CPU"}, '[scheduler] rank is only used when policy = "custom", and it is "striping"'),
        ({"order": "fairest"}, '[scheduler] order: "fairest" is not known: expected one of fair, id'),
        ({"interval_s": "30"}, "[scheduler] interval_s: expected a whole number, got a text"),
        ({"max_vm": -1}, "[scheduler] max_vm: expected a whole number >= 0"),
        ({"executable": {"command": "prog"}}, "[scheduler.executable] command: expected a list, got a text"),
        ({"executable": {"timeout_s": 0}}, "[scheduler.executable] timeout_s: expected a number > 0.0"),
        ({"scorers": {"cool": -1.0}}, "[scheduler] scorers: cool has the weight -1: expected a number above 0"),
        ({"scorers": {"cool": "much"}}, "[scheduler] scorers: expected a number, got a text"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(table, said):
    with pytest.raises(BadSettings) as refused:
        settings_from(table)
    assert str(refused.value).startswith(said)
