"""`oneacl`: access rules.

Source: reference/api-modern.md §4 (the calls), §5.6 (how rules are written).
"""

from typing import Any

from trifid.cli.columns import Column, Columns, Row, View, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.failure import Failure
from trifid.cli.kinds import (
    ACL,
    CLUSTER,
    DATASTORE,
    GROUP,
    HOST,
    IMAGE,
    NETWORK,
    SECURITY_GROUP,
    USER,
    VDC,
    VM,
    ZONE,
    Kind,
)
from trifid.cli.kinds import NETWORK_TEMPLATE as VNTEMPLATE
from trifid.cli.kinds import VM_GROUP as VMGROUP
from trifid.cli.kinds import VM_TEMPLATE as TEMPLATE
from trifid.cli.listing import LIST_OPTIONS, Listing
from trifid.cli.shell import Shell

_LETTERS = {
    "V": "VM",
    "H": "HOST",
    "N": "NET",
    "I": "IMAGE",
    "U": "USER",
    "T": "TEMPLATE",
    "G": "GROUP",
    "D": "DATASTORE",
    "C": "CLUSTER",
    "O": "DOCUMENT",
    "Z": "ZONE",
    "S": "SECGROUP",
    "v": "VDC",
    "R": "VROUTER",
    "M": "MARKETPLACE",
    "A": "MARKETPLACEAPP",
    "P": "VMGROUP",
    "t": "VNTEMPLATE",
    "B": "BACKUPJOB",
}
_RIGHTS = {"U": "USE", "M": "MANAGE", "A": "ADMIN", "C": "CREATE"}
_RESOURCE = f"RES_{''.join(_LETTERS)}"
_KINDS: dict[str, Kind] = {
    "VM": VM,
    "HOST": HOST,
    "NET": NETWORK,
    "IMAGE": IMAGE,
    "USER": USER,
    "TEMPLATE": TEMPLATE,
    "GROUP": GROUP,
    "DATASTORE": DATASTORE,
    "CLUSTER": CLUSTER,
    "ZONE": ZONE,
    "SECGROUP": SECURITY_GROUP,
    "VDC": VDC,
    "VMGROUP": VMGROUP,
    "VNTEMPLATE": VNTEMPLATE,
}
"""The kinds whose objects may be named."""


def add_rule(shell: Shell, rule: str) -> int:
    """Make an access rule that is written `@staff VM+NET/* USE`, and return its id; raises Failure when it is none."""
    from trifid.core.acl_text import parse_rule

    def resolve(kind: str, name: str) -> int:
        if kind not in _KINDS:
            raise ValueError(f"{kind} {name} is not an id")
        return shell.id(_KINDS[kind], name)

    try:
        said = parse_rule(rule, resolve)
    except ValueError as bad:
        raise Failure(str(bad), '"oneacl create --help" shows how rules are written') from bad
    made: int = shell.call("one.acl.addrule", *(f"{word:x}" for word in (said.user, said.resource)), *_rest(said))
    return made


def _rest(said: Any) -> tuple[str, str]:
    return f"{said.rights:x}", f"{said.zone:x}"


def _create(shell: Shell, given: Given) -> None:
    shell.made(ACL, add_rule(shell, given.rule))


# -- the list ----------------------------------------------------------------------------------------


def _word(place: int) -> Any:
    """Return what reads one of the words of the rule as text, `@1 VM/* USE *`."""

    def value(row: Row, view: View) -> str:
        words = text("STRING")(row, view).split()
        return words[place] if place < len(words) else ""

    return value


def _flags(letters: dict[str, str], present: list[str]) -> str:
    return "".join(letter if word in present else "-" for letter, word in letters.items())


def _kinds(row: Row, view: View) -> str:
    return _flags(_LETTERS, _word(1)(row, view).partition("/")[0].split("+"))


def _rights(row: Row, view: View) -> str:
    return _flags(_RIGHTS, _word(2)(row, view).split("+")).lower()


RULE_COLUMNS = Columns(
    "oneacl list",
    f"ID,USER,{_RESOURCE},RID,OPE_UMAC,ZONE",
    (
        Column("ID", 5, "number", number("ID")),
        Column("USER", 8, "whom it speaks of: #user, @group, * everybody", _word(0)),
        Column(_RESOURCE, len(_RESOURCE), "of which kinds: VM, HOST, NET, IMAGE, USER, TEMPLATE, GROUP …", _kinds),
        Column(
            "RID",
            7,
            "which of them: #id, @group, %cluster, * all",
            lambda row, view: _word(1)(row, view).partition("/")[2],
        ),
        Column("OPE_UMAC", 8, "rights: USE, MANAGE, ADMIN, CREATE", _rights),
        Column("ZONE", 5, "in which zones", _word(3)),
        Column("RULE", 40, "the rule as it is written", text("STRING"), left=True),
    ),
)
_LISTING = Listing(ACL, RULE_COLUMNS, lambda shell, given: ("one.acl.info",))

_HOW = """\
RULE is WHO KINDS/WHICH RIGHTS [ZONE], in one pair of quotes.  WHO is #USER, @GROUP or * for everybody; KINDS are such
as VM or HOST+NET; WHICH is #ID for one object, @GROUP for those of a group, %CLUSTER for those in a cluster, * for
all; RIGHTS are USE, MANAGE, ADMIN and CREATE with + between them.  Names stand where ids may.  Without ZONE it is for
all.
"""

ROWS = (
    Command(
        "create",
        "Add an access rule.",
        (Argument("RULE"),),
        run=_create,
        more=_HOW,
        examples=(
            'create "@users IMAGE/#7 USE"',
            'create "#alice HOST/%production MANAGE"',
            'create "@100 VM+NET/@100 USE+MANAGE *"',
        ),
    ),
    Command(
        "delete",
        "Remove access rules.",
        (Argument("RULE", ACL, many=True),),
        "one.acl.delrule",
        more="Rules of virtual data centres and of administrators of groups go with those: onevdc, onegroup deladmin.",
        examples=("delete 7", "delete 7,9..11"),
    ),
    Command(
        "list",
        "List the access rules.",
        run=_LISTING.run,
        options=LIST_OPTIONS,
        examples=("list", "list -l ID,RULE", "list -j"),
    ),
)

main = CommandTable(
    "oneacl",
    "Manage access rules: what users may do with objects that are not theirs.",
    ROWS,
    ACL,
)

if __name__ == "__main__":
    main()
