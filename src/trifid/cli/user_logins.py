"""The commands of `oneuser` about logging in: passwords, drivers, keys, tokens.

Source: reference/xmlrpc.md §5 (the commands), reference/api-modern.md §4 (user.login, user.chauth, user.passwd).
"""

import secrets
from typing import Any

import click

from trifid.cli.command import Argument, Command, Given, WholeNumber
from trifid.cli.failure import Failure
from trifid.cli.figures import full_moment
from trifid.cli.kinds import GROUP, USER
from trifid.cli.shell import Caller, Shell
from trifid.cli.user_secrets import (
    DRIVER,
    KEY,
    PASSWORD_FILE,
    SHA1,
    SHA256,
    SSH,
    WITH_SSH,
    credentials_file,
    forget_files,
    kept,
    named_file,
    own_public_key,
    password,
    signed_login,
    token_files,
    write_session,
)
from trifid.core.user import CORE

_MYSELF = -1
_ALL_GROUPS = -1
_DEFAULT_TIME_S = 36_000
_UNUSED_PASSWORD_BYTES = 32

_ONE_USER = Argument("USER", USER, optional=True)
_GROUPS = click.Option(["--group"], metavar="X,Y", help="Its groups, the first is the primary one.")
_TIME = click.Option(
    ["--time"],
    type=WholeNumber(min=-1),
    default=_DEFAULT_TIME_S,
    metavar="SECONDS",
    help=f"How long it holds, {_DEFAULT_TIME_S} by default; -1: until it is cleared; 0: clear all of them.",
)
_ONE_GROUP = click.Option(["--group"], metavar="GROUP", help="With the rights of this group of the user only.")
_FORCE = click.Option(["--force"], is_flag=True, help="Write ~/.one/one_auth even if it is there.")
_HASHED = click.Option(
    ["--hashed"], is_flag=True, help="What is given is the hash of another installation: SHA-256 or SHA-1, hex."
)
_TOKEN = click.Option(["--token"], metavar="BEGINNING", required=True, help="How the list calls it, or its beginning.")


def _driver(given: Given) -> str:
    if given.ssh and given.driver not in (None, SSH):
        raise Failure(f"--ssh and --driver {given.driver} are two drivers", "leave one out")
    return SSH if given.ssh else given.driver or ""


def _create(shell: Shell, given: Given) -> None:
    groups = shell.ids(GROUP, (given.group,)) if given.group else []
    driver = _driver(given)
    if given.hashed:
        found = password(given, f"Hash of the password of {given.name}")
        user_id = shell.call(
            "one.user.allocate", given.name, secrets.token_urlsafe(_UNUSED_PASSWORD_BYTES), CORE, groups
        )
        shell.made(USER, user_id)
        shell.call("trifid.user.import_hash", user_id, found)
        return
    found = kept(given, f"Password of {given.name}", driver)
    shell.made(USER, shell.call("one.user.allocate", given.name, found, driver, groups))


def _passwd(shell: Shell, given: Given) -> None:
    user_id = _MYSELF if given.user is None else given.user
    # Asked before the change, because afterwards our own session may no longer be let in.
    user, own_id = shell.one(USER, user_id), int(shell.one(USER, _MYSELF)["ID"])
    if given.hashed:
        shell.call("trifid.user.import_hash", int(user["ID"]), password(given, "Hash of the password"))
    else:
        driver = SSH if given.ssh else str(user.get("AUTH_DRIVER") or CORE)
        shell.call("one.user.passwd", user_id, kept(given, "New password", driver))
    if user_id in (_MYSELF, own_id):
        shell.tell("The password is set.  Now write it into your credentials file: $ONE_AUTH or ~/.one/one_auth.")


def _chauth(shell: Shell, given: Given) -> None:
    driver = given.auth or _driver(given)
    if not driver:
        raise Failure("there is no driver", "name one: core, ssh, ldap …")
    found = "" if driver == "public" else kept(given, "New password", driver)
    shell.call("one.user.chauth", given.user, driver, found)


def _key(shell: Shell, given: Given) -> None:
    shell.say(own_public_key(given.key))


# -- tokens ------------------------------------------------------------------------------------------


def _token_create(shell: Shell, given: Given) -> None:
    if given.ssh:
        _login_by_key(shell, given)
        return
    own = shell.one(USER, _MYSELF)
    user = own if given.user is None else shell.one(USER, shell.id(USER, given.user))
    if given.time == 0:
        shell.call("one.user.login", user["NAME"], "", 0, _ALL_GROUPS)
        forget_files({name for name, _ in token_files(user["NAME"])})
        shell.tell(f"The login tokens of {user['NAME']} are cleared.")
        return
    group = shell.id(GROUP, given.group) if given.group else _ALL_GROUPS
    token = shell.call("one.user.login", user["NAME"], "", given.time, group)
    _keep(shell, user["NAME"], token, is_own=user["ID"] == own["ID"], force=given.force)


def _login_by_key(shell: Shell, given: Given) -> None:
    """Log in by a signature, and get a token for what comes next."""
    user = given.user or _own_name(shell)
    if user.isdecimal():
        raise Failure(f"{user} is an id, and what is signed is the name", "write the name of the user")
    if given.time == 0:
        raise Failure("--ssh makes a token, and --time 0 clears them", "use token-delete-all")
    client = _client(shell, f"{user}:{signed_login(user, given.key)}")
    group = shell.id(GROUP, given.group) if given.group else _ALL_GROUPS
    _keep(shell, user, client.call("one.user.login", user, "", given.time, group), is_own=True, force=given.force)


def _own_name(shell: Shell) -> str:
    """Return the name in the credentials file."""
    from trifid.client import from_environment

    return from_environment(shell.home)[1].partition(":")[0]


def _client(shell: Shell, session: str) -> Caller:
    """Return a client with another session than that of the credentials file, which need not be there."""
    from trifid.client import Client
    from trifid.client.session import endpoint_of

    return Client(shell.endpoint or endpoint_of(shell.home), session)


def _keep(shell: Shell, user: str, token: str, *, is_own: bool, force: bool) -> None:
    """Write a token into its file, and into the credentials file unless there is one; say it."""
    write_session(named_file(token), user, token)
    path = credentials_file()
    if force or (is_own and not path.exists()):
        write_session(path, user, token)
        shell.tell(f"It is in {path}, which commands read when neither ONE_AUTH nor TRIFID_HOME says otherwise.")
    elif is_own:
        shell.tell(f"File {path} exists, use --force to overwrite.")
    if not shell.form:
        shell.say("Authentication Token is:")
    shell.say(f"{user}:{token}")


def _token_set(shell: Shell, given: Given) -> None:
    user = shell.one(USER, _MYSELF if given.user is None else given.user)
    kept_here = dict(token_files(user["NAME"]))
    name = _one_of(user, given.token, [one["TOKEN"] for one in _tokens(user) if one["TOKEN"] in kept_here])
    egid = next(one["EGID"] for one in _tokens(user) if one["TOKEN"] == name)
    shell.say(f"export ONE_AUTH={kept_here[name]}; export ONE_EGID={egid}")


def _token_delete(shell: Shell, given: Given) -> None:
    user_id = _MYSELF if given.token is None else shell.id(USER, given.user_or_token)
    user, said = shell.one(USER, user_id), given.user_or_token if given.token is None else given.token
    name = _one_of(user, said, [one["TOKEN"] for one in _tokens(user)])
    shell.call("one.user.login", user["NAME"], name, 0, _ALL_GROUPS)
    forget_files({name})
    shell.tell("Token removed.")


def _token_delete_all(shell: Shell, given: Given) -> None:
    user = shell.one(USER, given.user)
    shell.call("one.user.login", user["NAME"], "", 0, _ALL_GROUPS)
    forget_files({name for name, _ in token_files(user["NAME"])})
    shell.tell(f"The login tokens of {user['NAME']} are cleared.")


def _one_of(user: dict[str, Any], said: str, names: list[str]) -> str:
    """Return the one token that is meant, by its beginning or by the token itself; raises Failure."""
    found = [name for name in names if name.startswith(said)] or [
        name for name in names if name == named_file(said).stem
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise Failure(f"{said} is the beginning of {len(found)} tokens", f"write more of it: {', '.join(found)}")
    where = f"oneuser show {user['ID']} lists them; token-set knows those that token-create made on this machine"
    raise Failure(f"user {user['NAME']} has no such token", where)


def _tokens(user: dict[str, Any]) -> list[dict[str, Any]]:
    from trifid.wire.elements import several

    return several(user.get("LOGIN_TOKEN"))


def print_tokens(shell: Shell, user: dict[str, Any]) -> None:
    """Say which login tokens a user has."""
    shell.say(f"{'ID':<12} {'EGID':<5} {'EGROUP':<14} EXPIRATION")
    for token in _tokens(user):
        is_limited = token["EGID"] != str(_ALL_GROUPS)
        gid = token["EGID"] if is_limited else user["GID"]
        group = (shell.name(GROUP, int(gid)) or "-") if is_limited else user["GNAME"]
        end = int(token["EXPIRATION_TIME"])
        until = full_moment(end) if end > 0 else "forever"
        shell.say(
            f"{token['TOKEN']:<12} {'' if is_limited else '*'}{gid:<{5 if is_limited else 4}} {group:<14} {until}"
        )


CREATE = Command(
    "create",
    "Add a user; without a password on the line it is asked for.",
    (Argument("NAME"), Argument("PASSWORD", optional=True)),
    run=_create,
    options=(PASSWORD_FILE, _GROUPS, DRIVER, WITH_SSH, KEY, SHA1, SHA256, _HASHED),
    more="Of a user of another driver than core the password is what the driver wants to know, such as a public key.",
    examples=(
        "create alice",
        "create alice --read-file secret.txt --group users",
        "create alice --ssh --read-file alice.pub",
        "create alice --driver ldap",
        "create alice --hashed --read-file hash.txt",
    ),
)
ROWS = (
    Command(
        "passwd",
        "Set a password, your own unless USER is named; its login tokens are cleared.",
        (_ONE_USER, Argument("PASSWORD", optional=True)),
        run=_passwd,
        options=(PASSWORD_FILE, WITH_SSH, KEY, SHA1, SHA256, _HASHED),
        examples=("passwd", "passwd alice --read-file secret.txt", "passwd alice --hashed --read-file hash.txt"),
    ),
    Command(
        "chauth",
        "Change what checks the logins of a user; its login tokens are cleared.",
        (Argument("USER", USER), Argument("AUTH", optional=True), Argument("PASSWORD", optional=True)),
        run=_chauth,
        options=(PASSWORD_FILE, DRIVER, WITH_SSH, KEY, SHA1, SHA256),
        examples=("chauth alice ldap", "chauth alice --ssh --read-file alice.pub", "chauth alice core -r secret.txt"),
    ),
    Command(
        "key",
        "Print what the engine keeps of your ssh key; give it to who creates your user.",
        run=_key,
        options=(KEY,),
        examples=("key", "key --key ~/.ssh/id_rsa"),
    ),
    Command(
        "token-create",
        "Make a login token, which stands for the password for a while.",
        (Argument("USER", optional=True),),
        run=_token_create,
        options=(_TIME, _ONE_GROUP, _FORCE, WITH_SSH, KEY),
        aliases=("login",),
        more="It is written into a file of its own in ~/.one, and into ~/.one/one_auth unless that is there.",
        examples=("token-create", "token-create --time 3600", "login alice --ssh", "token-create --time 0"),
    ),
    Command(
        "token-set",
        "Print what makes a shell use a token that token-create made on this machine.",
        (_ONE_USER,),
        run=_token_set,
        options=(_TOKEN,),
        examples=("token-set --token 3ea6",),
    ),
    Command(
        "token-delete",
        "Clear a login token: your own, or with a user before it one of another.",
        (Argument("USER_OR_TOKEN"), Argument("TOKEN", optional=True)),
        run=_token_delete,
        more="TOKEN is what oneuser show calls it, or the beginning of that, or the token itself.",
        examples=("token-delete 3ea6", "token-delete alice 3ea6"),
    ),
    Command(
        "token-delete-all",
        "Clear all login tokens of a user.",
        (Argument("USER", USER),),
        run=_token_delete_all,
        examples=("token-delete-all alice",),
    ),
)
