"""The example package of drivers, as if it had been installed."""

import tomllib
from pathlib import Path

from trifid.engine.driver_command import GROUP

EXAMPLES = Path(__file__).parents[2] / "examples" / "drivers"
WEB = EXAMPLES / "web"


def install_web(site: Path) -> None:
    """Put the package and its entry points into a directory of PYTHONPATH, as pip does it without a network."""
    about = tomllib.loads((WEB / "pyproject.toml").read_text())["project"]
    (site / "trifid_web").symlink_to(WEB / "trifid_web")
    info = site / f"trifid_web-{about['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    points = "".join(f"{name} = {value}\n" for name, value in about["entry-points"][GROUP].items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{points}")
