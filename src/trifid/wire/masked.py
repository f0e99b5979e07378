"""Secrets taken out of what leaves the engine for others than those who wrote it: `****` stands in their place.

What is a secret is told by the name that it stands behind.
"""

import re

MASK = "****"

_NAME = r"[A-Za-z0-9_.-]*(?:PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE_KEY|API_?KEY|CREDENTIAL)[A-Za-z0-9_.-]*"
_IS_SECRET = re.compile(_NAME, re.IGNORECASE)
_ELEMENT = re.compile(rf"<({_NAME})>((?:<!\[CDATA\[.*?\]\]>|[^<])+)</\1>", re.IGNORECASE | re.DOTALL)
_ATTRIBUTE = re.compile(
    rf"""(?<![A-Za-z0-9_.-])({_NAME})(\s*=\s*)("(?:[^"\\]|\\.)*"?|[^\s,\[\]"][^,\]\n]*)""", re.IGNORECASE | re.DOTALL
)
_JSON = re.compile(rf'"({_NAME})"(\s*:\s*)"(?:[^"\\]|\\.)*"', re.IGNORECASE | re.DOTALL)
_JSON_IN_QUOTES = re.compile(rf'(\\+")({_NAME})\1(\s*:\s*)\1.*?\1', re.IGNORECASE | re.DOTALL)


def is_secret(name: str) -> bool:
    """Tell whether what has this name is a secret."""
    return _IS_SECRET.fullmatch(name) is not None


def masked(text: str) -> str:
    """Return a document or a template, whether attributes, XML or JSON, without the secrets in it."""
    if "<" in text:
        text = _ELEMENT.sub(rf"<\1>{MASK}</\1>", text)
    if ":" in text:
        text = _JSON_IN_QUOTES.sub(rf"\1\2\1\3\1{MASK}\1", _JSON.sub(rf'"\1"\2"{MASK}"', text))
    return _ATTRIBUTE.sub(rf'\1\2"{MASK}"', text) if "=" in text else text
