"""Passwords of displays: GRAPHICS/RANDOM_PASSWD has one made up where none is given.

Source: OpenNebula's template reference (GRAPHICS).
"""

import secrets
from collections.abc import Callable

from trifid.core.template.hardware import VNC_PASSWORD_MAX
from trifid.core.template.model import Template

_BYTES = 12
_CHARACTERS = {"VNC": VNC_PASSWORD_MAX, "SPICE": 16}


def random_password(characters: int) -> str:
    """Return a password of letters, digits, - and _ that nobody guesses."""
    return secrets.token_urlsafe(_BYTES)[:characters]


def with_password(template: Template, make: Callable[[int], str] = random_password) -> Template:
    """Return a VM's template whose display has a password, if a random one is asked for and none is there."""
    graphics = template.vector("GRAPHICS")
    if graphics.get("RANDOM_PASSWD", "").upper() != "YES" or graphics.get("PASSWD"):
        return template
    characters = _CHARACTERS.get(graphics.get("TYPE", "VNC").upper())
    if characters is None:
        return template
    return template.replacing("GRAPHICS", {**graphics, "PASSWD": make(characters)})
