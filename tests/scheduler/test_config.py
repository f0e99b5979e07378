import pytest

from trifid.placement.settings import BadSettings, Settings
from trifid.scheduler.config import read_settings, settings_of, with_options


def written(tmp_path, text: str):
    file = tmp_path / "trifid.toml"
    file.write_text(text)
    return file


def test_the_table_scheduler_is_read_and_the_rest_of_the_file_is_not(tmp_path):
    file = written(
        tmp_path, '[api]\nport = "?"\n[scheduler]\npolicy = "packing"\n[scheduler.recording]\nfiles_max = 3\n'
    )
    settings = read_settings(file)
    assert (settings.policy, settings.recording.files_max) == ("packing", 3)


def test_a_file_comes_before_the_home_and_without_both_there_are_the_defaults(tmp_path):
    written(tmp_path, "[scheduler]\ninterval_s = 7\n")
    other = tmp_path / "other.toml"
    other.write_text("[scheduler]\ninterval_s = 8\n")
    assert settings_of(tmp_path, other).interval_s == 8
    assert settings_of(tmp_path, None).interval_s == 7
    assert settings_of(tmp_path / "elsewhere", None) == settings_of(None, None) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[scheduler", "not TOML"),
        ("scheduler = 3", "scheduler is no table"),
        ('[scheduler]\npolicy = "pack"', '[scheduler] policy: there is no policy "pack" (did you mean "packing"?)'),
        (
            "[scheduler.leases]\nsuspend_lead = 3",
            '[scheduler.leases] has no key "suspend_lead" (did you mean "suspend_lead_s"?)',
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_file(tmp_path, text, said):
    file = written(tmp_path, text)
    with pytest.raises(BadSettings) as refused:
        read_settings(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadSettings, match="No such file"):
        settings_of(None, tmp_path / "missing.toml")


def test_options_come_before_settings_and_are_checked():
    settings = Settings(policy="custom", rank="SPEED", interval_s=9, filters=("a",))
    assert with_options(settings, {"policy": None, "interval_s": None}) is settings
    assert with_options(settings, {"policy": "packing"}) == Settings(policy="packing", interval_s=9, filters=("a",))
    with pytest.raises(BadSettings, match='no policy "pakking"'):
        with_options(settings, {"policy": "pakking"})
