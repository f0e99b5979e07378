"""Where the scheduler's settings come from: the table [scheduler] of a configuration file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from trifid.placement.settings import BadSettings, Settings, settings_from


def read_settings(file: Path) -> Settings:
    """Return the settings of a file, such as HOME/trifid.toml; what it says of other things is of no interest.

    Raises:
        BadSettings: it cannot be read, is not TOML, or a key or a value is wrong.
    """
    try:
        table: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise BadSettings(f"{file}: {fault.strerror}") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as bad:
        raise BadSettings(f"{file}: not TOML: {bad}") from bad
    own = table.get("scheduler", {})
    if not isinstance(own, dict):
        raise BadSettings(f"{file}: scheduler is no table: expected [scheduler]")
    return settings_from(own, f"{file}: [scheduler]")


def settings_of(home: Path | None, file: Path | None) -> Settings:
    """Return the settings of a file, else those of a home, else the defaults.

    Raises:
        BadSettings: they are wrong.
    """
    if file is not None:
        return read_settings(file)
    if home is not None and (home / "trifid.toml").exists():
        return read_settings(home / "trifid.toml")
    return Settings()


def with_options(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """Return settings with what was given on the command line; None = not given.

    Raises:
        BadSettings: they do not go together.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if not given:
        return settings
    for key in ("policy", "datastore_policy"):  # the rank of the policy "custom" goes with it
        if key in given:
            given.setdefault(f"{key.removesuffix('policy')}rank", "")
    return settings_from({**to_builtins(settings), **given}, "options and settings")
