"""In which order pool calls list: newest first, unless the configuration, the caller or the caller's group says else.

Source: reference/api-modern.md §3.
"""

from trifid.core.access import Caller
from trifid.core.template.model import Template
from trifid.engine.config import Config
from trifid.engine.memory import Memory

ATTRIBUTE, SECTION = "API_LIST_ORDER", "OPENNEBULA"
"""In a user's or group's template, or in the section of it that is for settings of the API."""
ASCENDING, DESCENDING = "ASC", "DESC"


def is_oldest_first(memory: Memory, config: Config, caller: Caller) -> bool:
    """Tell whether a caller's lists begin with the lowest id; a word that is no order says nothing."""
    user, group = memory.users.get(caller.uid), memory.groups.get(caller.gid)
    words = [_word(one.template) for one in (user, group) if one is not None]
    order = next((word for word in words if word in (ASCENDING, DESCENDING)), config.api.list_order)
    return order == ASCENDING


def _word(template: Template) -> str:
    written = template.single(ATTRIBUTE) or template.vector(SECTION).get(ATTRIBUTE, "")
    return written.strip().upper()
