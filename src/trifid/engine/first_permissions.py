"""The permissions that a new object has: what its owner's umask leaves.

UMASK is an attribute of the user, three octal digits of what is taken away; `[engine] default_umask` is for users
who have none.  Members of group 0 begin with 777, others with 666, so that only administrators give ADMIN.
Source: reference/api-modern.md §5.1.
"""

from trifid.core.access import Caller, Permissions
from trifid.core.umask import first_bits, umask_of
from trifid.engine.looking import Looking


def first_permissions(draft: Looking, caller: Caller) -> Permissions:
    """Return the permissions of an object that a caller makes."""
    user = draft.find_user(caller.uid)
    umask = umask_of(user.template) if user is not None else None
    if umask is None:
        umask = draft.memory.default_umask
    return Permissions(first_bits(umask, is_admin=caller.is_admin))
