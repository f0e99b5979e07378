"""Where the scheduler's settings come from: the table [scheduler] of a configuration file."""

import tomllib
from pathlib import Path
from typing import Any

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
