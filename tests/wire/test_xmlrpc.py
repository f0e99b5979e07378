"""XML-RPC, with the standard library as oracle in both directions."""

import xmlrpc.client

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trifid.wire.xmlrpc import (
    DEPTH_MAX,
    ELEMENTS_MAX,
    I8,
    BadXmlRpc,
    Escaped,
    XmlRpcFault,
    answer_chunks,
    decode_answer,
    decode_call,
    encode_answer,
    encode_call,
    encode_fault,
    value_chunks,
)
from trifid.wire.xmltext import writable

# The oracle writes carriage returns as they are, which no parser gives back, and control characters unchanged.
TEXTS = st.text(max_size=12).map(lambda text: writable(text).replace("\r", ""))
I4 = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)


def values(integers):
    scalars = st.none() | st.booleans() | integers | DOUBLES | TEXTS
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
    )


METHODS = st.from_regex(r"one\.[a-z]{1,8}\.[a-z]{1,8}", fullmatch=True)


def same(one, other):
    """Tell whether two values are equal and of the same types all the way down."""
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return type(one) is type(other) and one == other


# -- the standard library in both directions ---------------------------------------------------------


@given(METHODS, st.lists(values(I4), max_size=4))
@settings(max_examples=200, deadline=None)
def test_a_call_of_the_standard_library_is_read(method, arguments):
    body = xmlrpc.client.dumps(tuple(arguments), method, allow_none=True).encode()
    found, given_ = decode_call(body)
    assert found == method and same(given_, arguments)


@given(METHODS, st.lists(values(LONG), max_size=4))
@settings(max_examples=200, deadline=None)
def test_the_standard_library_reads_a_call(method, arguments):
    found, name = xmlrpc.client.loads(encode_call(method, arguments))
    assert name == method and same(list(found), arguments)


@given(values(I4))
@settings(max_examples=200, deadline=None)
def test_an_answer_of_the_standard_library_is_read(value):
    body = xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode()
    assert same(decode_answer(body), value)


@given(values(LONG))
@settings(max_examples=200, deadline=None)
def test_the_standard_library_reads_an_answer(value):
    (found,), _ = xmlrpc.client.loads(encode_answer(value))
    assert same(found, value)


@given(st.integers(-(2**31), 2**31 - 1), TEXTS)
def test_faults_go_both_ways(code, text):
    with pytest.raises(xmlrpc.client.Fault) as fault:
        xmlrpc.client.loads(encode_fault(code, text))
    assert (fault.value.faultCode, fault.value.faultString) == (code, text)
    with pytest.raises(XmlRpcFault) as ours:
        decode_answer(xmlrpc.client.dumps(xmlrpc.client.Fault(code, text)).encode())
    assert (ours.value.code, ours.value.text) == (code, text)


@given(st.text(max_size=30))
def test_our_own_texts_survive_with_their_carriage_returns(text):
    assert decode_answer(encode_answer(text)) == writable(text)


# -- forms -------------------------------------------------------------------------------------------


def call_with(*params):
    inner = "".join(f"<param>{param}</param>" for param in params)
    return f"<methodCall><methodName>m</methodName><params>{inner}</params></methodCall>".encode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<value>text</value>", "text"),
        ("<value></value>", ""),
        ("<value/>", ""),
        ("<value><string/></value>", ""),
        ("<value> <i4> 5 </i4> </value>", 5),
        ("<value><int>+5</int></value>", 5),
        ("<value><i8>9000000000</i8></value>", 9_000_000_000),
        ("<value><ex:i8>-1</ex:i8></value>", -1),
        ("<value><boolean>1</boolean></value>", True),
        ("<value><double>-.5e1</double></value>", -5.0),
        ("<value><nil/></value>", None),
        ("<value><ex:nil/></value>", None),
        ("<value><string>a&lt;<![CDATA[&b]]></string></value>", "a<&b"),
        ("<value><string>a<!-- no -->b</string></value>", "ab"),
        ("<value><array><data/></array></value>", []),
        ("<value><struct/></value>", {}),
        ("<value><struct><member><name/><value/></member></struct></value>", {"": ""}),
        ("\n<value>\n<array>\n<data>\n<value>1</value>\n</data>\n</array>\n</value>\n", ["1"]),
    ],
)
def test_every_form_of_a_value_is_read(value, expected):
    method, arguments = decode_call(call_with(value))
    assert method == "m" and same(arguments, [expected])


def test_a_call_needs_no_params():
    assert decode_call(b"<methodCall><methodName> one.m </methodName></methodCall>") == ("one.m", [])


def test_integers_grow_to_i8_when_they_must():
    assert value_chunks(2**31 - 1) == ["<value><i4>2147483647</i4></value>"]
    assert value_chunks(2**31) == ["<value><i8>2147483648</i8></value>"]
    assert value_chunks(I8(-1)) == ["<value><i8>-1</i8></value>"]
    assert value_chunks(True) == ["<value><boolean>1</boolean></value>"]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, float("nan"), float("inf")])
def test_what_does_not_fit_is_a_bug_of_the_caller(value):
    with pytest.raises(OverflowError):
        value_chunks([value])


def test_what_has_no_form_is_a_bug_of_the_caller():
    with pytest.raises(TypeError, match="bytes has no form in XML-RPC"):
        encode_answer({"a": b"x"})


def test_large_documents_go_out_in_the_pieces_they_are_kept_in():
    document = Escaped(["&lt;A&gt;", "1 &amp; 2", "&lt;/A&gt;"])
    chunks = answer_chunks([True, document, 0])
    assert all(piece in chunks for piece in document.chunks)
    assert decode_answer("".join(chunks).encode()) == [True, "<A>1 & 2</A>", 0]
    assert Escaped.of("<&") == Escaped(["&lt;", "&amp;"]) != Escaped("x")
    assert repr(document) == "Escaped(3 chunks, 28 characters)"


# -- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not XML: line 1 column 1: no element found"),
        (b"GET / HTTP/1.0", "not XML: line 1 column 1: syntax error"),
        (b"\xff\xfe", "not XML"),
        (b"<methodResponse/>", "element 'methodResponse' is not expected here"),
        (b"<methodCall/>", "methodCall must hold one methodName, then at most one params"),
        (b"<methodCall><methodName>a b</methodName></methodCall>", "'a b' cannot be a method name"),
        (b"<methodCall><methodName></methodName></methodCall>", "'' cannot be a method name"),
        (b"<methodCall><params/><methodName>m</methodName></methodCall>", "methodCall must hold one methodName"),
        (b"<methodCall><b/></methodCall>", "element 'b' is not expected in 'methodCall'"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><methodCall/>", "document type declarations are not accepted"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><methodCall/>', "document type declarations are not accepted"),
        (call_with("<value>&b;</value>"), "undefined entity"),
        (call_with("<value><i4>x</i4></value>"), "'x' is not an integer between -2147483648 and 2147483647"),
        (call_with("<value><i4>2147483648</i4></value>"), "is not an integer between"),
        (call_with("<value><i4></i4></value>"), "'' is not an integer"),
        (call_with("<value><i4>1_0</i4></value>"), "'1_0' is not an integer"),
        (call_with(f"<value><i8>{2**63}</i8></value>"), "is not an integer between"),
        (call_with("<value><boolean>true</boolean></value>"), "'true' is not a boolean, which is 0 or 1"),
        (call_with("<value><double>nan</double></value>"), "'nan' is not a number"),
        (call_with("<value><double>1e999</double></value>"), "'1e999' is not a number"),
        (call_with("<value><double>" + "1" * 500 + "</double></value>"), "is not a number"),
        (call_with("<value><base64>AA==</base64></value>"), "element 'base64' is not expected in 'value'"),
        (call_with("<value><i4>1</i4><i4>2</i4></value>"), "value must hold exactly one element, holds 2"),
        (call_with("<value/><value/>"), "param must hold exactly one value, holds 2"),
        (call_with(""), "param must hold exactly one value, holds 0"),
        (call_with("<value><array/></value>"), "array must hold exactly one data, holds 0"),
        (call_with("<value><struct><member><name>a</name></member></struct></value>"), "member must hold one name"),
        (call_with("<value><struct><member><value/><name>a</name></member></struct></value>"), "member must hold"),
        (call_with("<value><struct><member><name>a</name><name>b</name></member></struct></value>"), "member must"),
        (b'<?xml version="1.0" encoding="utf-7"?><methodCall/>', "encoding 'utf-7' is not accepted, send UTF-8"),
        (b'<?xml version="1.0" encoding="rot13"?><methodCall/>', "encoding 'rot13' is not accepted"),
        (b'<?xml version="1.0" encoding="nosuch"?><methodCall/>', "encoding 'nosuch' is not accepted"),
        (b'<?xml version="1.0" encoding="unicode_escape"?><methodCall/>', "'unicode_escape' is not accepted"),
    ],
)
def test_what_is_no_call_is_refused(body, message):
    with pytest.raises(BadXmlRpc) as refusal:
        decode_call(body)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<methodCall/>", "element 'methodCall' is not expected here"),
        (b"<methodResponse/>", "methodResponse must hold one fault, or params with one value"),
        (b"<methodResponse><params/></methodResponse>", "methodResponse must hold"),
        (b"<methodResponse><fault><value>x</value></fault></methodResponse>", "fault must hold a struct"),
    ],
)
def test_what_is_no_answer_is_refused(body, message):
    with pytest.raises(BadXmlRpc, match=message):
        decode_answer(body)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("count", [DEPTH_MAX, 100_000])
def test_deep_nesting_is_refused_before_it_costs_anything(count):
    nested = "<value><array><data>" * count
    with pytest.raises(BadXmlRpc, match=f"elements are nested more than {DEPTH_MAX} deep"):
        decode_call(call_with(nested))


def test_nesting_below_the_bound_is_read():
    levels = (DEPTH_MAX - 5) // 3
    body = call_with("<value><array><data>" * levels + "</data></array></value>" * levels)
    assert decode_call(body)[0] == "m"


def test_the_number_of_elements_is_bounded():
    with pytest.raises(BadXmlRpc, match="too many elements"):
        decode_call(call_with("<value><array><data>" + "<value/>" * ELEMENTS_MAX + "</data></array></value>"))
    assert len(decode_answer(encode_answer(["x"] * ELEMENTS_MAX))) == ELEMENTS_MAX


@pytest.mark.timeout(10)
@pytest.mark.parametrize("unit", ["x", "&amp;", "é\n"])
def test_ten_megabytes_of_text_are_read(unit):
    body = call_with(f"<value>{unit * (10_000_000 // len(unit.encode()))}</value>")
    assert len(decode_call(body)[1][0]) > 1_000_000


PIECES = st.sampled_from(
    [
        *(b"<methodCall>", b"<methodName>m</methodName>", b"<params>", b"<param>", b"<value>", b"</value>", b"x"),
        *(b"</param>", b"</params>", b"</methodCall>", b"<array>", b"<data>", b"<struct>", b"<nil/>", b"&", b"\xff"),
    ]
)


@given(st.binary(max_size=40) | st.lists(PIECES, max_size=14).map(b"".join))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_a_message_or_refused(body):
    for read in (decode_call, decode_answer):
        try:
            read(body)
        except (BadXmlRpc, XmlRpcFault) as refusal:
            assert len(str(refusal)) < 500
