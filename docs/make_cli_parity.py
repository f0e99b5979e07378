"""Writes docs/cli-parity.md: what of today's commands is there, out of the tables that the commands are made of.

The words are those of release 7.4 of the commands that Trifid's are called after.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from trifid.cli.docs import PROGRAMS

ACCESS = "chgrp chmod chown"
KNOWN = {
    "onevm": f"create update hold release disk-saveas terminate undeploy poweroff reboot deploy migrate stop suspend "
    f"resume recover disk-attach disk-detach nic-attach nic-detach nic-update {ACCESS} resched unresched rename "
    "snapshot-create snapshot-revert snapshot-delete disk-snapshot-create disk-snapshot-revert disk-snapshot-delete "
    "disk-snapshot-rename disk-resize list show top resize save updateconf lock unlock vnc ssh port-forward "
    "create-chart update-chart delete-chart sched-update sched-delete backup backup-cancel restore sg-attach sg-detach "
    "pci-attach pci-detach monitoring exec exec-retry exec-cancel vmgroup-add vmgroup-del",
    "onehost": "create delete enable disable offline update sync list show top flush rename monitoring importvm "
    "forceupdate",
    "onevnet": f"create delete addar rmar updatear hold release free reserve update {ACCESS} list show rename lock "
    "unlock orphans recover addleases rmleases",
    "oneimage": f"create clone delete persistent nonpersistent update enable disable chtype {ACCESS} rename "
    "snapshot-delete snapshot-revert snapshot-flatten list show top dockerfile lock unlock orphans restore",
    "onetemplate": f"create clone delete instantiate {ACCESS} update rename list show top share unshare lock unlock",
    "onedatastore": f"create delete {ACCESS} list show update rename enable disable",
    "onecluster": "create delete list show addhost delhost adddatastore deldatastore addvnet delvnet update rename "
    "optimize plan-execute plan-delete",
    "onesecgroup": f"create clone delete {ACCESS} list show rename update commit",
    "onevmgroup": f"create list show {ACCESS} update delete rename lock unlock role-add role-delete role-update",
    "onevntemplate": f"create clone delete instantiate {ACCESS} update rename list show top lock unlock",
    "oneuser": "create update quota batchquota defaultquota umask login key delete passwd chgrp addgroup delgroup "
    "chauth list show encode passwdsearch token-create token-set token-delete token-delete-all enable disable",
    "onegroup": "create delete update list show quota batchquota defaultquota addadmin deladmin",
    "oneacl": "create delete list",
    "onevdc": "create update rename delete list show addgroup delgroup addcluster delcluster addhost delhost "
    "adddatastore deldatastore addvnet delvnet",
    "onehook": "create delete list show update rename lock unlock log retry",
    "onezone": "create delete list show update rename set enable disable server-add server-del server-reset",
    "oneacct": "list",
    "oneshowback": "list calculate",
}
"""Family -> its words."""

NOT_HERE = {
    "onebackupjob": "there are no backups; onevm save and onevm disk-saveas keep what is on disks",
    "onecfg, onedb": "an engine upgrades its database and reads its configuration by itself: docs/operations.md",
    "oneflow, oneflow-template": "services of several VMs are not there yet",
    "onegate": "VMs do not call the engine",
    "oneirb": "python -i with trifid.client is as good: docs/api.md",
    "onelog": "onevm log tells what happened to a VM; trifid status names the engine's own log",
    "onemarket, onemarketapp": "oneimage create takes a URL",
    "oneprovision, oneprovider": "hosts are made by other tools",
    "oneswap, onevcenter": "nothing is imported from VMware",
    "onevrouter": "routers are VMs of yours: a network tells VMs its gateway",
}
"""Commands that are not there at all, and why."""

ELSEWHERE = {
    ("oneuser", "encode"): "not needed: session strings are written as they are",
    ("oneuser", "passwdsearch"): "not there: passwords are kept as hashes, which nobody can look for",
}
"""Words for which the commands themselves have nothing to tell, and why."""

OPTIONS = (
    ("`-l`, `--list`", "there"),
    ("`-f`, `--filter` with `= != < <= > >= ~`, `--operator`", "there; `=` takes a regular expression as well"),
    ("`-o`, `--order`", "there, also called `--sort`"),
    ("`-d`, `--delay`", "there, on lists as on `top`"),
    ("`-x`, `-j`, `-y`, `--csv`, `--csv-del`, `--no-header`", "there; `-x -j -y` on every command"),
    ("`-n`, `-k`, `--describe`, `--size`", "there; `--size` has no short form"),
    ("`--adjust`, `--no-expand`, `--no-pager`, `--all` of show", "taken, and do nothing: nothing is cut, nor paged"),
    ("`--expand`, `-c`, files of columns in /etc/one/cli", "not there: `-l` in an alias of your shell does it"),
    ("`--search` of onevm list", "not there: `-f` filters, also what `-j` prints"),
    ("`--endpoint`", "there"),
    ("`--user`, `--password`", "not there: passwords on command lines are seen by everybody; ONE_AUTH names a file"),
    ("`--schedule`, `--weekly` …, `--end`", "there"),
    ("`-v`, `-h`, `-V`", "there"),
)

_HEAD = """\
# Commands of today, and ours

Made by `docs/make_cli_parity.py`; do not edit.

Commands and words are those of OpenNebula 7.4. Whoever knows them can type them here; this page tells where something
is called differently, or is not there, and why. What the commands can is told in [cli.md](cli.md), and by their
manual pages (`make man`).

Answers are as short as those of today's commands: `ID: n` for what was made, nothing else unless `-v` asks. Every
command can answer as data, too: `--json`, `--yaml`, `--xml` ([cli.md](cli.md) tells what is in it).

## Options
"""


def document() -> str:
    """Return the text of the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "| today | here |\n|---|---|"
    yield from (f"| {option} | {here} |" for option, here in OPTIONS)
    for family in KNOWN:
        yield f"\n## {family}\n"
        standing = standings(family)
        there = [word for word, told in standing.items() if told == "there"]
        if there:
            yield f"There: {', '.join(f'`{word}`' for word in there)}.\n"
        if len(there) < len(standing):
            yield "| today | here |\n|---|---|"
            yield from (f"| `{word}` | {told} |" for word, told in standing.items() if told != "there")
            yield ""
        if own := own_words(family):
            yield f"Only here, or of 2009: {', '.join(f'`{word}`' for word in own)}."
    yield "\n## Not there\n\n| today | why |\n|---|---|"
    yield from (f"| `{'`, `'.join(name.split(', '))}` | {why} |" for name, why in NOT_HERE.items())


def standings(family: str) -> dict[str, str]:
    """Return each word of a family that is known today, and what it is here; empty = nothing is known of it."""
    program = next((program for program, _ in PROGRAMS if program.name == family), None)
    found = {}
    for word in KNOWN[family].split():
        if program is None:
            found[word] = "not there yet"
        elif any(word == row.word for row in program.rows):
            found[word] = "there"
        elif row := next((row for row in program.rows if word in row.aliases), None):
            found[word] = f"there, also called `{row.word}`"
        else:
            found[word] = program.not_here.get(word) or ELSEWHERE.get((family, word), "")
    return found


def own_words(family: str) -> list[str]:
    """Return the words of a family that only Trifid has."""
    program = next((program for program, _ in PROGRAMS if program.name == family), None)
    known = set(KNOWN[family].split())
    return [row.word for row in program.rows if row.word not in known] if program else []


if __name__ == "__main__":
    text = document()
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(text)
    else:
        (Path(__file__).parent / "cli-parity.md").write_text(text, encoding="utf-8")
