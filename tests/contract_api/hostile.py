"""Arguments that nobody should send, for any method: made of its signature and of calls that are good."""

import random
from typing import Any

from tests.methods.test_strangers import FOR_ALL, REFUSED, SHOW_NOTHING
from trifid.methods.registry import METHODS, Method

MEGABYTE = 1_000_000
INTS = (
    *(-(2**63), -(2**63) + 1, -(2**32), -(2**31) - 1, -(2**31), -1000, -201, -6, -5, -4, -3, -2, -1),
    *range(14),
    *(20, 21, 30, 50, 51, 99, 100, 101, 999, 10**6, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1),
)
IDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 20, 21, 22, 25, 30, 50, 51, 100, 101, 150)
"""Ids of objects of one kind or another."""

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><T><NAME>&c;</NAME></T>'
)
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><T><NAME>&a;</NAME></T>'
WORDS = (
    *("", " ", "\n", "\t \r\n", "x", "0", "-1", "1e999", "NaN", "oneadmin", "None", "true", "alice"),
    *("%s%s%s%n", "{0.__class__}", "{}", "%(name)s", "${HOME}", "$(id)", "`id`", "; DROP TABLE vms;--", "' OR '1'='1"),
    *(
        "../../../etc/passwd",
        "/etc/shadow",
        "..",
        ".",
        "~",
        "file:///etc/passwd",
        "http://127.0.0.1:2633/",
        "-rf",
        "\\",
    ),
    *(
        "\x7f",
        "\u0085",
        "\u2028",
        "\u202e\u0041",
        "\ufeff",
        "\u200b",
        "é" * 50,
        "名前",
        "\U0001f600",
        "İ",
        "ß",
        "\u0661",
    ),
    *(
        "]]>",
        "<![CDATA[",
        "<a>",
        "&amp;",
        "&#0;",
        "<!--",
        "a<b>&\"'",
        "a\nb",
        "a\rb",
        "=",
        "[",
        "]",
        '"',
        "'",
        "#",
        ",",
    ),
    *("x" * 129, "x" * 4096, "9" * 400, "-" + "9" * 400, "0x10", "1_000", "+1", " 1 ", "1,2,3", ",,,", "1-5", "*"),
    *("1" * 5000 + ",2", "\N{COMBINING ACUTE ACCENT}" * 200, "A=" * 200),
)
TEMPLATES = (
    *(
        "=",
        "A",
        "A=",
        "A=[",
        "A=[]",
        "A=[B]",
        "A=[B=]",
        "A=[B=[C=1]]",
        'A="1',
        "A='1",
        "A=1,B=2",
        "A=1 # c",
        "=1",
        "[=]",
    ),
    *('NAME="a\\"b"\nCPU=1\nMEMORY=64', "NAME=a NAME=b\nCPU=1\nMEMORY=64", "A=[B=1,B=2]\nCPU=1\nMEMORY=64"),
    *("CPU=-1\nMEMORY=64", "CPU=1e308\nMEMORY=64", "CPU=nan\nMEMORY=64", "CPU=inf\nMEMORY=64", "CPU=1\nMEMORY=1e9"),
    *(f"CPU=1\nMEMORY={2**70}", f"CPU={'9' * 400}\nMEMORY=1", "CPU=1\nMEMORY=64\nVCPU=99999999999", "CPU=٣\nMEMORY=٣"),
    *("CPU=1\nMEMORY=64\nDISK=[IMAGE_ID=-1]", f"CPU=1\nMEMORY=64\nDISK=[IMAGE_ID={2**65}]"),
    *("CPU=1\nMEMORY=64\nNIC=[NETWORK_ID=4,IP=999.1.1.1]", f"CPU=1\nMEMORY=64\nNIC=[NETWORK_ID={'4' * 30}]"),
    *("CPU=1\nMEMORY=64\n" + "NIC=[NETWORK_ID=4]\n" * 30, "CPU=1\nMEMORY=64\n" + "DISK=[TYPE=swap,SIZE=1]\n" * 300),
    *("CPU=1\nMEMORY=64\nDISK=x", "CPU=[A=1]\nMEMORY=64", "CPU=1\nMEMORY=64\nCONTEXT=[FILES=/etc/passwd]"),
    *("CPU=1\nMEMORY=64\nRANK=" + "(" * 5000, "CPU=1\nMEMORY=64\nREQUIREMENTS=" + "!" * 5000),
    *('CPU=1\nMEMORY=64\nSCHED_REQUIREMENTS="' + "(A=1) & " * 3000 + 'A=1"', "CPU=1\nMEMORY=64\nNAME=" + "%s" * 50),
    *(
        'CPU=1\nMEMORY=64\nCONTEXT=[A="$NIC[IP, NETWORK=\\"x\\"]",B="$USER[X]",C="${C}"]',
        "CPU=1\nMEMORY=64\nNAME=$VMID",
    ),
    *(
        "<",
        "<a",
        "<a/>",
        "<a></b>",
        "<a>1</a>",
        "<T><CPU>1</CPU><MEMORY>64</MEMORY></T>",
        "<T><A><B><C>1</C></B></A></T>",
    ),
    *(BOMB, EXTERNAL, "<a>" * 3000 + "</a>" * 3000, "<T>" + "<A/>" * 3000 + "</T>", "<T><1A>x</1A></T>"),
    *("<T><A><![CDATA[]]]]><![CDATA[>]]></A></T>", "<T xmlns='u'><A>1</A></T>", "<T><A b='c'>1</A></T>"),
    *("NAME=x\nRULE=[PROTOCOL=TCP,RULE_TYPE=inbound,RANGE=1:99999999]", "NAME=x\nRULE=[PROTOCOL=TCP,RULE_TYPE=in]"),
    *("AR=[TYPE=IP4,IP=255.255.255.255,SIZE=999999999]", "AR=[TYPE=IP6,SIZE=1,GLOBAL_PREFIX=zz]", "AR=[SIZE=-1]"),
    *(
        "AR=[AR_ID=0,SIZE=0]",
        f"AR=[TYPE=ETHER,MAC=ff:ff:ff:ff:ff:ff,SIZE={2**48}]",
        "LEASES=[IP=10.0.0.9]",
        "LEASES=[]",
    ),
    *(
        "SCHED_ACTION=[ACTION=terminate,TIME=-1,REPEAT=9]",
        f"SCHED_ACTION=[ACTION=hold,TIME={'9' * 99}]",
        "SCHED_ACTION=[]",
    ),
    *(
        "SIZE=-1",
        f"SIZE={2**64}",
        "SIZE=2\nNAME=x\nAR_ID=99",
        "ROLE=[NAME=]",
        "ROLE=[NAME=x,POLICY=AFFINED,HOST_AFFINED=x]",
    ),
    *("NAME=x\nSIZE=10\nTYPE=DATABLOCK\nFORMAT=;", "NAME=x\nPATH=/etc/passwd", "NAME=x\nSOURCE=../../x\nSIZE=1"),
    *(
        "USER=[ID=0]",
        "UMASK=999",
        "DATASTORE=[ID=0,SIZE=1]",
        "VM=[VMS=x]",
        f"VM=[VMS={'9' * 50}]",
        "VM=[CPU=-5,MEMORY=nan]",
    ),
    *(
        "NAME=h\nTYPE=state\nRESOURCE=VM\nON=CREATE\nCOMMAND=/bin/sh",
        "TYPE=api\nCALL=one.vm.allocate\nCOMMAND=x\nNAME=h",
    ),
    "\n".join(f"A{n}=1" for n in range(70_000)),
    "NAME=x\n" + "# comment\n" * 3000,
)
JSONS = (
    *(
        "{",
        "[]",
        "{}",
        "null",
        "[[1]]",
        "[[5,3]]",
        '[["5","3"]]',
        "[[5,3,1]]",
        f"[[{2**70},0]]",
        "[" * 3000 + "]" * 3000,
    ),
    *('[[5,"\\ud800"]]', '[[5,"\\u0000"]]', '[[5,"' + "x" * 9000 + '"]]', '{"vms":[]}', '{"vms":[{"template":"<"}]}'),
    '{"vms":[{"template":"CPU=1\\nMEMORY=64","count":99999999999}]}',
)
HUGE = (
    "x" * MEGABYTE,
    "é" * MEGABYTE,
    'NAME="' + "x" * MEGABYTE + '"',
    "A=[" * 100_000,
    "CPU=1\nMEMORY=64\nX=" + "y" * 900_000,
)
LISTS = ([], [0], [1], [-1], [99], [2**63 - 1], ["1"], [None], [[1]], [True], [100, 100, 100], list(range(3000)))
OTHERS = (None, 1.5, 1e308, {}, {"a": {"b": [1]}}, [[[[[[1]]]]]], "1", "", 1, True, [], {"": ""})
"""Of types that methods may not take."""

MORE = {
    "one.acl.addrule": [("200000001", "1000000001", "8"), ("100000000a", "f", "ff", "100000000")],
    "one.acl.delrule": [(0,), (5,)],
    "one.document.allocate": [("NAME=d\nX=1", 100), ("X=1", -1)],
    "one.group.update": [(100, "X=1", 1)],
    "one.hook.allocate": [
        ("NAME=h\nTYPE=state\nRESOURCE=VM\nON=CREATE\nCOMMAND=log.sh",),
        ("NAME=h\nTYPE=api\nCALL=one.vm.allocate\nCOMMAND=log.sh\nARGUMENTS=$API",),
    ],
    "one.user.quota": [(10, "VM=[VMS=5,CPU=2]"), (10, "DATASTORE=[ID=1,SIZE=5]")],
    "one.group.quota": [(1, "VM=[VMS=5,CPU=2]"), (1, "IMAGE=[ID=7,RVMS=2]")],
    "one.userquota.update": [("VM=[VMS=5]",)],
    "one.groupquota.update": [("NETWORK=[ID=4,LEASES=5]",)],
    "one.vdc.allocate": [("NAME=v",)],
    "one.vmpool.accounting": [(-2, -1, -1), (-2, 0, 2000)],
    "one.vmpool.showback": [(-2, -1, -1, -1, -1), (-2, 1, 2020, 12, 2026)],
    "one.vmpool.calculateshowback": [(-1, -1, -1, -1), (1, 1970, 12, 1970)],
    "one.zone.rename": [(0, "z")],
    "one.zone.update": [(0, "X=1", 1)],
}
"""Calls that are good and not in the list of strangers."""

FORBIDDEN = {"wait_s"}
"""Parameters for which a big number only means that the answer comes late."""


def _good() -> dict[str, list[tuple[Any, ...]]]:
    """Return calls that are good for somebody, by method."""
    found = {name: list(calls) for name, calls in REFUSED.items()}
    found |= {name: [arguments] for name, arguments in SHOW_NOTHING.items()}
    return {**MORE, **found, **{name: [(-2, -1, -1)] for name in FOR_ALL}}


GOOD = _good()


class Hostile:
    """Makes arguments, always the same ones for a method and a seed."""

    def __init__(self, method: Method, seed: int) -> None:
        self.method = method
        self._random = random.Random(f"{method.name} {seed}")

    def arguments(self) -> list[Any]:
        """Return arguments of the right types but for one time in eight, among them at least one that is odd."""
        chance = self._random
        given = self._start()
        spots = [n for n, parameter in enumerate(self.method.parameters) if parameter.name not in FORBIDDEN]
        if spots:
            for spot in chance.sample(spots, min(len(spots), chance.choice((0, 1, 1, 1, 2, len(spots))))):
                given[spot] = self._odd(self.method.parameters[spot].type, self.method.parameters[spot].name)
        kind = chance.randrange(16)
        if kind == 0 and spots:
            given[chance.choice(spots)] = chance.choice(OTHERS)
        elif kind == 1 and given:
            del given[chance.randrange(len(given)) :]
        elif kind == 2:
            given += chance.sample(OTHERS, 2)
        return given

    def _start(self) -> list[Any]:
        """Return arguments that could be good."""
        chance, parameters = self._random, self.method.parameters
        given = list(chance.choice(GOOD.get(self.method.name, [()])))
        for parameter in parameters[len(given) :]:
            given.append(self._plain(parameter.type) if parameter.is_required else parameter.default)
        return given

    def _plain(self, kind: type) -> Any:
        chance = self._random
        if kind is int:
            return chance.choice(IDS)
        return {str: "NAME=x", bool: chance.random() < 0.5, list: []}[kind]

    def _odd(self, kind: type, name: str) -> Any:
        chance = self._random
        if kind is int:
            return chance.choice(INTS if chance.randrange(3) else IDS)
        if kind is bool:
            return chance.random() < 0.5
        if kind is list:
            return chance.choice(LISTS)
        if not chance.randrange(40):
            return chance.choice(HUGE)
        pools = [WORDS, TEMPLATES, JSONS if self.method.name.startswith("trifid.") else TEMPLATES]
        return chance.choice(chance.choice(pools))


def fits(method: Method, given: list[Any]) -> bool:
    """Tell whether arguments are as many as they must be, and of the right types."""
    needed = sum(parameter.is_required for parameter in method.parameters)
    typed = zip(given, method.parameters, strict=False)
    return len(given) >= needed and all(type(value) is parameter.type for value, parameter in typed)


def families() -> dict[str, list[Method]]:
    """Return the methods by the kind of object that they are about."""
    found: dict[str, list[Method]] = {}
    for name, method in METHODS.items():
        found.setdefault(name.rpartition(".")[0], []).append(method)
    return found
