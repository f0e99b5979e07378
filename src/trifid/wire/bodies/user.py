"""The documents of a user.

Secrets never leave the engine: PASSWORD, which the schema wants, is there and empty, and TOKEN is what the token is
called, by which it can be cleared.  Today's engine shows the hash of the password and, to the owner, the tokens
themselves.

Source: reference/api-modern.md §5.5 (user.xsd, user_pool.xsd).
"""

from trifid.core.quota import NO_LIMITS, Limits
from trifid.core.quota_usage import Figures
from trifid.core.user import User, token_id
from trifid.wire.bodies.parts import Names, body, cdata, ids
from trifid.wire.bodies.quotas import NOTHING, default_quotas, quotas
from trifid.wire.xmltext import escape


def user_full(user: User, names: Names, has: Figures = NOTHING, default: Limits = NO_LIMITS) -> str:
    """Return the USER document.

    Args:
        has: what the user has of all that quotas limit.
        default: the limits of all users.
    """
    defaults = default_quotas("DEFAULT_USER_QUOTAS", default)
    return f"<USER>{_inner(user, names)}{quotas(user.limits, has)}{defaults}</USER>"


def user_pool_entry(user: User, names: Names, has: Figures = NOTHING) -> str:
    """Return an entry of a USER_POOL, whose tail is DEFAULT_USER_QUOTAS: USER, then its QUOTAS."""
    return f"<USER>{_inner(user, names)}</USER><QUOTAS><ID>{user.id}</ID>{quotas(user.limits, has)}</QUOTAS>"


def _inner(user: User, names: Names) -> str:
    tokens = "".join(
        [
            f"<LOGIN_TOKEN><TOKEN>{token_id(token.digest)}</TOKEN><EXPIRATION_TIME>{token.expires_at}</EXPIRATION_TIME>"
            f"<EGID>{token.egid}</EGID></LOGIN_TOKEN>"
            for token in user.tokens
        ]
    )
    return (
        f"<ID>{user.id}</ID><GID>{user.gid}</GID>{ids('GROUPS', user.gids)}"
        f"<GNAME>{escape(names.group(user.gid))}</GNAME><NAME>{escape(user.name)}</NAME><PASSWORD></PASSWORD>"
        f"<AUTH_DRIVER>{cdata(user.auth_driver)}</AUTH_DRIVER><ENABLED>{user.enabled:d}</ENABLED>"
        f"{tokens}{body('TEMPLATE', user.template)}"
    )
