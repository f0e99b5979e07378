"""XML-RPC as bytes on a connection that stays open: what clients of other languages send, letter by letter."""

import http.client
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tests.system.home import Home

RUBY = {"User-Agent": "XMLRPC::Client (Ruby 3.1.2)", "Content-Type": "text/xml; charset=utf-8",
        "Connection": "keep-alive", "Accept-Encoding": "identity"}  # fmt: skip
"""Headers of the library that the Ruby tools stand on.  Source: reference/api-modern.md §1, §7.16."""
GO = {"User-Agent": "Go-http-client/1.1", "Content-Type": "text/xml", "Accept-Encoding": "gzip"}
"""Headers of the library that goca stands on."""


@dataclass(frozen=True)
class Typed:
    """A value with the element that a client writes it in; the empty word for none at all."""

    element: str
    text: str


def bare(text: str) -> Typed:
    """A string without a type."""
    return Typed("", text)


def i4(number: int) -> Typed:
    """A number as Ruby writes it."""
    return Typed("i4", str(number))


def i8(number: int) -> Typed:
    """A number as clients with long integers may write it."""
    return Typed("i8", str(number))


Value = str | bool | int | Typed


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        types: elements of the answer's array, in order.
        values: their texts.
        fault: code and text of a fault.
    """

    status: int
    types: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    fault: tuple[int, str] | None = None

    @property
    def is_success(self) -> bool:
        """Whether the call did what was asked."""
        return self.fault is None and self.values[0] == "1"


class Wire:
    """One connection to an engine, used for all calls, as clients do that keep theirs alive."""

    def __init__(self, home: Home, headers: dict[str, str]) -> None:
        self.session = home.session
        self._headers = headers
        self._connection = http.client.HTTPConnection("127.0.0.1", home.port, timeout=30)
        self._connection.connect()
        self._socket = self._connection.sock

    @property
    def is_kept(self) -> bool:
        """Whether the first connection is the one still."""
        return self._connection.sock is self._socket

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def call(self, method: str, *values: Value, session: str | None = None) -> Reply:
        """Call a method; the session goes first."""
        return self.send(method, self.session if session is None else session, *values)

    def send(self, method: str, *values: Value) -> Reply:
        """Call a method with these values and no others."""
        params = "".join(f"<param><value>{_written(value)}</value></param>" for value in values)
        called = f"<methodName>{method}</methodName><params>{params}</params>"
        return self.post(f'<?xml version="1.0" ?><methodCall>{called}</methodCall>'.encode())

    def post(self, body: bytes) -> Reply:
        """Send a body and read the answer."""
        self._connection.putrequest("POST", "/RPC2", skip_accept_encoding=True)
        for name, value in {**self._headers, "Content-Length": str(len(body))}.items():
            self._connection.putheader(name, value)
        self._connection.endheaders(body)
        answer = self._connection.getresponse()
        return _read(answer.status, answer.read())


def _written(value: Value) -> str:
    match value:
        case Typed("", text):
            return escape(text)
        case Typed(element, text):
            return f"<{element}>{escape(text)}</{element}>"
        case bool():
            return f"<boolean>{value:d}</boolean>"
        case int():
            return f"<int>{value}</int>"
    return f"<string>{escape(value)}</string>"


def _read(status: int, body: bytes) -> Reply:
    if status != 200:
        return Reply(status)
    root = ElementTree.fromstring(body)
    if (fault := root.find("fault")) is not None:
        members = {str(member.findtext("name")): member.find("value") for member in fault.iter("member")}
        code, text = (members[name] for name in ("faultCode", "faultString"))
        assert code is not None
        assert text is not None
        return Reply(status, fault=(int("".join(code.itertext())), "".join(text.itertext())))
    values = root.findall("params/param/value/array/data/value")
    return Reply(status, tuple(value[0].tag for value in values), tuple("".join(value.itertext()) for value in values))
