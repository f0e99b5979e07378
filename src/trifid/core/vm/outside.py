"""Files outside of the catalogue, and what tells them from its images."""

import re

_NAME_OF_IMAGE = re.compile(r"[0-9a-f]{32}", re.ASCII)


def is_image_name(name: str) -> bool:
    """Tell whether a file is called as the engine calls those of images that are made for the catalogue."""
    return _NAME_OF_IMAGE.fullmatch(name) is not None
