"""XML-RPC: calls and answers as bytes and back, for the door and for the client.

Reading is done by expat with document types refused, so that no entity can be declared, and bounded in
depth and in the number of elements; the size of the body is the reader's caller's business.  Nothing
but `BadXmlRpc` (and `XmlRpcFault` for an answer that is one) is ever raised, whatever the bytes.

Source: xmlrpc.com/spec, with the common additions i8 and nil; reference/api-modern.md §1 and §2.
"""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn
from xml.parsers import expat

from trifid.wire.xmltext import escape

DEPTH_MAX = 256
ELEMENTS_MAX = 50_000
"""Elements of a call; a session, a template and a list of ids need a few dozen."""
ANSWER_ELEMENTS_MAX = 10_000_000

_I4_MIN, _I4_MAX = -(2**31), 2**31 - 1
_I8_MIN, _I8_MAX = -(2**63), 2**63 - 1
_TEXT_BUFFER_BYTES = 64 * 1024

_ENCODINGS = frozenset({"utf-8", "utf8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"})

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}\Z")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\Z")
_METHOD = re.compile(r"[A-Za-z0-9_.:/]{1,128}\Z")

Frame = list[Any]


class BadXmlRpc(ValueError):
    """The bytes are not an XML-RPC message; the text says where and why."""


class XmlRpcFault(Exception):
    """The answer is a fault: the call itself was not understood.

    Attributes:
        code: as the server gave it.
        text: as the server gave it.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class I8(int):
    """An integer that goes out as i8 whatever its size."""


class Escaped:
    """Text that is XML-escaped already, in pieces: large documents are kept and sent this way.

    Attributes:
        chunks: together the content of a string element; each one is well-formed in itself.
    """

    __slots__ = ("chunks",)

    def __init__(self, chunks: str | Iterable[str]) -> None:
        self.chunks: list[str] = [chunks] if isinstance(chunks, str) else list(chunks)

    @classmethod
    def of(cls, text: str) -> "Escaped":
        """Escape `text`."""
        return cls(escape(text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Escaped) and "".join(self.chunks) == "".join(other.chunks)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Escaped({len(self.chunks)} chunks, {sum(map(len, self.chunks))} characters)"


# -- writing ---------------------------------------------------------------------------------------


def value_chunks(value: Any) -> list[str]:
    """Return the value element for `value` in pieces; an `Escaped` keeps its chunks.

    Raises:
        TypeError, OverflowError: the value has no form in XML-RPC, which is a bug of the caller.
    """
    if isinstance(value, Escaped):
        return ["<value><string>", *value.chunks, "</string></value>"]
    if isinstance(value, list | tuple):
        chunks = ["<value><array><data>"]
        for one in value:
            chunks.extend(value_chunks(one))
        chunks.append("</data></array></value>")
        return chunks
    if isinstance(value, dict):
        chunks = ["<value><struct>"]
        for name, one in value.items():
            chunks.append(f"<member><name>{escape(str(name))}</name>")
            chunks.extend(value_chunks(one))
            chunks.append("</member>")
        chunks.append("</struct></value>")
        return chunks
    return [_scalar(value)]


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return f"<value><string>{escape(value)}</string></value>"
    if isinstance(value, bool):
        return f"<value><boolean>{value:d}</boolean></value>"
    if isinstance(value, int):
        if _I4_MIN <= value <= _I4_MAX and not isinstance(value, I8):
            return f"<value><i4>{value:d}</i4></value>"
        if _I8_MIN <= value <= _I8_MAX:
            return f"<value><i8>{value:d}</i8></value>"
        raise OverflowError(f"{value} does not fit into 64 bits")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OverflowError(f"{value} has no form in XML-RPC")
        return f"<value><double>{value!r}</double></value>"
    if value is None:
        return "<value><nil/></value>"
    raise TypeError(f"{type(value).__name__} has no form in XML-RPC")


def answer_chunks(value: Any) -> list[str]:
    """Return the document of an answer with one value, in pieces."""
    return [
        f"{_DECLARATION}<methodResponse><params><param>",
        *value_chunks(value),
        "</param></params></methodResponse>\n",
    ]


def encode_answer(value: Any) -> bytes:
    """Return the document of an answer with one value."""
    return "".join(answer_chunks(value)).encode()


def encode_fault(code: int, text: str) -> bytes:
    """Return the document of a fault."""
    value = "".join(value_chunks({"faultCode": code, "faultString": text}))
    return f"{_DECLARATION}<methodResponse><fault>{value}</fault></methodResponse>\n".encode()


def encode_call(method: str, args: Iterable[Any]) -> bytes:
    """Return the document of a call."""
    params = "".join(f"<param>{''.join(value_chunks(arg))}</param>" for arg in args)
    name = escape(method)
    return f"{_DECLARATION}<methodCall><methodName>{name}</methodName><params>{params}</params></methodCall>\n".encode()


# -- reading ---------------------------------------------------------------------------------------


def decode_call(body: bytes, *, depth_max: int = DEPTH_MAX, elements_max: int = ELEMENTS_MAX) -> tuple[str, list[Any]]:
    """Return method name and arguments of a call.

    Raises:
        BadXmlRpc: not a call, or beyond a bound; the text is fit for the caller.
    """
    call = _read(body, "methodCall", depth_max, elements_max)
    return call[0], call[1] if len(call) > 1 else []


def decode_answer(body: bytes, *, depth_max: int = DEPTH_MAX, elements_max: int = ANSWER_ELEMENTS_MAX) -> Any:
    """Return the value of an answer.

    Raises:
        BadXmlRpc: not an answer.
        XmlRpcFault: it is a fault.
    """
    answer = _read(body, "methodResponse", depth_max, elements_max)
    if isinstance(answer, XmlRpcFault):
        raise answer
    return answer


class _Reader:
    """Builds Python values while expat reports elements.

    Every open element has a frame, the list of what its children came to; when it closes, its reducer
    turns the frame, or the text, into one result for its parent.
    """

    def __init__(self, root: str, depth_max: int, elements_max: int) -> None:
        self._path = [""]
        self._frames: list[Frame] = [[]]
        self._root = frozenset((root,))
        self._depth_max = depth_max
        self._left = elements_max
        self.text: list[str] = []

    @property
    def result(self) -> Any:
        return self._frames[0][0]

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        path = self._path
        allowed = _CHILDREN.get(path[-1], _NONE) if path[-1] else self._root
        if tag not in allowed:
            _refuse(f"element {tag[:40]!r} is not expected " + (f"in {path[-1]!r}" if path[-1] else "here"))
        if len(path) > self._depth_max:
            _refuse(f"elements are nested more than {self._depth_max} deep")
        self._left -= 1
        if self._left < 0:
            _refuse("too many elements")
        path.append(tag)
        self._frames.append([])
        self.text.clear()

    def end(self, tag: str) -> None:
        self._path.pop()
        frame = self._frames.pop()
        text = self.text
        self._frames[-1].append(_REDUCERS[tag](frame, text[0] if len(text) == 1 else "".join(text)))
        text.clear()


def _read(body: bytes, root: str, depth_max: int, elements_max: int) -> Any:
    reader = _Reader(root, depth_max, elements_max)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    if len(body) > _TEXT_BUFFER_BYTES:
        parser.buffer_size = _TEXT_BUFFER_BYTES
    parser.XmlDeclHandler = _check_declaration
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text.append
    try:
        parser.Parse(body, True)
    except BadXmlRpc as bad:
        where = f"line {parser.CurrentLineNumber} column {parser.CurrentColumnNumber + 1}"
        raise BadXmlRpc(f"{where}: {bad}") from None
    except expat.ExpatError as bad:
        raise BadXmlRpc(f"not XML: line {bad.lineno} column {bad.offset + 1}: {expat.ErrorString(bad.code)}") from None
    return reader.result


def _refuse(why: str) -> NoReturn:
    raise BadXmlRpc(why)


def _check_declaration(version: str, encoding: str | None, standalone: int) -> None:
    """Refuse encodings that expat does not know: it would ask Python's codecs, some of which are no encodings."""
    if encoding is not None and encoding.lower() not in _ENCODINGS:
        _refuse(f"encoding {encoding[:40]!r} is not accepted, send UTF-8")


def _refuse_doctype(*_: object) -> NoReturn:
    _refuse("document type declarations are not accepted")


def _one(what: str) -> Callable[[Frame, str], Any]:
    def reduce(frame: Frame, text: str) -> Any:
        if len(frame) != 1:
            _refuse(f"{what} must hold exactly one value, holds {len(frame)}")
        return frame[0]

    return reduce


def _value(frame: Frame, text: str) -> Any:
    if not frame:
        return text
    return frame[0] if len(frame) == 1 else _refuse(f"value must hold exactly one element, holds {len(frame)}")


def _string(frame: Frame, text: str) -> str:
    return text


def _integer(low: int, high: int) -> Callable[[Frame, str], int]:
    def reduce(frame: Frame, text: str) -> int:
        text = text.strip()
        if _INTEGER.match(text) and low <= (number := int(text)) <= high:
            return number
        _refuse(f"{text[:40]!r} is not an integer between {low} and {high}")

    return reduce


def _boolean(frame: Frame, text: str) -> bool:
    text = text.strip()
    if text not in ("0", "1"):
        _refuse(f"{text[:40]!r} is not a boolean, which is 0 or 1")
    return text == "1"


def _double(frame: Frame, text: str) -> float:
    text = text.strip()
    if len(text) > 400 or not _DOUBLE.match(text) or not math.isfinite(number := float(text)):
        _refuse(f"{text[:40]!r} is not a number")
    return number


def _nil(frame: Frame, text: str) -> None:
    return None


def _array(frame: Frame, text: str) -> list[Any]:
    if len(frame) != 1:
        _refuse(f"array must hold exactly one data, holds {len(frame)}")
    found: list[Any] = frame[0]
    return found


def _items(frame: Frame, text: str) -> list[Any]:
    return frame


class _Name(str):
    """Tells a member's name from a value that is a string."""

    __slots__ = ()


def _name(frame: Frame, text: str) -> _Name:
    return _Name(text)


def _member(frame: Frame, text: str) -> tuple[str, Any]:
    if len(frame) != 2 or type(frame[0]) is not _Name or type(frame[1]) is _Name:
        _refuse("member must hold one name, then one value")
    return str(frame[0]), frame[1]


def _struct(frame: Frame, text: str) -> dict[str, Any]:
    return dict(frame)


def _method_name(frame: Frame, text: str) -> _Name:
    text = text.strip()
    if not _METHOD.match(text):
        _refuse(f"{text[:40]!r} cannot be a method name")
    return _Name(text)


def _method_call(frame: Frame, text: str) -> list[Any]:
    if [type(one) for one in frame] not in ([_Name], [_Name, list]):
        _refuse("methodCall must hold one methodName, then at most one params")
    return [str(frame[0]), *frame[1:]]


def _fault(frame: Frame, text: str) -> XmlRpcFault:
    what = frame[0] if len(frame) == 1 else None
    if not isinstance(what, dict) or type(what.get("faultCode")) is not int or "faultString" not in what:
        _refuse("fault must hold a struct of faultCode and faultString")
    return XmlRpcFault(what["faultCode"], str(what["faultString"]))


def _method_response(frame: Frame, text: str) -> Any:
    found = frame[0] if len(frame) == 1 else None
    if isinstance(found, XmlRpcFault):
        return found
    if not isinstance(found, list) or len(found) != 1:
        _refuse("methodResponse must hold one fault, or params with one value")
    return found[0]


_NONE: frozenset[str] = frozenset()
_SCALARS: dict[str, Callable[[Frame, str], Any]] = {
    "string": _string,
    "i4": _integer(_I4_MIN, _I4_MAX),
    "int": _integer(_I4_MIN, _I4_MAX),
    "i8": _integer(_I8_MIN, _I8_MAX),
    "ex:i8": _integer(_I8_MIN, _I8_MAX),
    "boolean": _boolean,
    "double": _double,
    "nil": _nil,
    "ex:nil": _nil,
}
_CHILDREN: dict[str, frozenset[str]] = {
    "methodCall": frozenset({"methodName", "params"}),
    "methodResponse": frozenset({"params", "fault"}),
    "params": frozenset({"param"}),
    "param": frozenset({"value"}),
    "fault": frozenset({"value"}),
    "value": frozenset({*_SCALARS, "array", "struct"}),
    "array": frozenset({"data"}),
    "data": frozenset({"value"}),
    "struct": frozenset({"member"}),
    "member": frozenset({"name", "value"}),
}
_REDUCERS: dict[str, Callable[[Frame, str], Any]] = {
    **_SCALARS,
    "methodCall": _method_call,
    "methodName": _method_name,
    "methodResponse": _method_response,
    "params": _items,
    "param": _one("param"),
    "fault": _fault,
    "value": _value,
    "array": _array,
    "data": _items,
    "struct": _struct,
    "member": _member,
    "name": _name,
}
