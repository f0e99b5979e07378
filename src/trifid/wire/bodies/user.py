"""The documents of a user.

Secrets never leave the engine: PASSWORD, which the schema wants, is there and empty, and TOKEN is what the token is
called, by which it can be cleared.  Today's engine shows the hash of the password and, to the owner, the tokens
themselves.

Source: reference/api-modern.md §5.5 (user.xsd, user_pool.xsd).
"""

from trifid.core.user import User, token_id
from trifid.wire.bodies.parts import DEFAULT_USER_QUOTAS, NO_QUOTAS, Names, body, cdata, ids
from trifid.wire.xmltext import escape


def user_full(user: User, names: Names) -> str:
    """Return the USER document, with its quotas, of which there are none."""
    return f"<USER>{_inner(user, names)}{NO_QUOTAS}{DEFAULT_USER_QUOTAS}</USER>"


def user_pool_entry(user: User, names: Names) -> str:
    """Return an entry of a USER_POOL, whose tail is DEFAULT_USER_QUOTAS: USER, then its QUOTAS."""
    return f"<USER>{_inner(user, names)}</USER><QUOTAS><ID>{user.id}</ID>{NO_QUOTAS}</QUOTAS>"


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
