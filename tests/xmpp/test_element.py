"""Elements, their printing, and the parser of streams (RFC 6120 §4, §11, §13.12)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.errors import LocalError
from dragoman.xmpp.element import Element, sanitize, to_xml
from dragoman.xmpp.failure import StreamCondition, StreamError
from dragoman.xmpp.parser import Event, StreamEnd, StreamParser, StreamStart, parse_document
from tests.fuzz.fuzz_xmpp_stream import HEADER, outcome

START = StreamStart(
    {"xml:lang": "en", "from": "a.example"},
    "jabber:server",
    {"stream": "http://etherx.jabber.org/streams", "db": "jabber:server:dialback"},
)
XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn"]), max_size=20)
ILLEGAL = "\0\x01\x08\x0b\x0c\x0e\x1f\ufffe\uffff\ud800\udfff"


def alike(data: bytes, **limits: int) -> tuple[list[Event], str]:
    """The outcome of `data`, which must not depend on how it is cut."""
    whole = outcome([data], StreamParser(**limits))
    for size in (1, 2, 5, 33):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert outcome(pieces, StreamParser(**limits)) == whole, size
    return whole


def element(inside: bytes) -> Element:
    events, fault = alike(HEADER + inside + b"</stream:stream>")
    assert fault == ""
    start, found, end = events
    assert (start, end) == (START, StreamEnd())
    assert isinstance(found, Element)
    return found


def test_stream_header_and_end() -> None:
    assert alike(HEADER + b"</stream:stream>") == ([START, StreamEnd()], "")
    assert alike(b"\r\n " + HEADER + b" \n</stream:stream> \n") == ([START, StreamEnd()], "")


def test_stream_with_prefix_free_names() -> None:
    data = b"<stream xmlns='http://etherx.jabber.org/streams'><message xmlns='jabber:client'/>"
    events, _ = alike(data)
    assert events == [
        StreamStart({}, "http://etherx.jabber.org/streams", {}),
        Element("{jabber:client}message"),
    ]


def test_stanza_becomes_a_tree() -> None:
    stanza = element(
        b"<message to='b' xml:lang='fr'>\n<body>&lt;\xc3\xa9&#233;&amp;\r\n<![CDATA[<b>]]></body>"
        b"<x xmlns='u' xmlns:p='v' p:q='&apos;'><p:y/><z xmlns=''/></x></message>"
    )
    body = Element("{jabber:client}body", None, ["<éé&\n<b>"])
    inner = [Element("{v}y"), Element("z")]
    x = Element("{u}x", {"{v}q": "'"}, inner)
    assert stanza == Element(
        "{jabber:client}message", {"to": "b", "xml:lang": "fr"}, ["\n", body, x]
    )
    assert (stanza.namespace, stanza.local_name, stanza.text) == ("jabber:client", "message", "\n")
    assert (inner[1].namespace, inner[1].local_name) == ("", "z")
    assert stanza.find("{jabber:client}body") == body
    assert stanza.find("body") is None
    assert stanza.find_all("{u}x") == [x]
    assert stanza.elements == [body, x]
    assert (stanza.get("to"), stanza.get("id"), stanza.get("id", "")) == ("b", None, "")


def test_equality_is_structural() -> None:
    assert Element("a", {"b": "c"}, ["d", Element("e")]) == Element(
        "a", {"b": "c"}, ["d", Element("e")]
    )
    assert Element("a") != Element("b")
    assert Element("a", {"b": "c"}) != Element("a")
    assert Element("a", None, [Element("b", None, ["c"])]) != Element("a", None, [Element("b")])
    assert Element("a") != "a"
    assert "secret" not in repr(Element("a", {"b": "secret"}, ["secret"]))


@pytest.mark.parametrize("namespace", ["jabber:server", "jabber:component:accept", "jabber:client"])
def test_content_namespaces_are_one_inside(namespace: str) -> None:
    header = HEADER.replace(b"jabber:server'", namespace.encode() + b"'", 1)
    events, _ = alike(header + b"<message><body>hi</body></message>")
    start, stanza = events
    assert isinstance(start, StreamStart)
    assert isinstance(stanza, Element)
    assert start.namespace == namespace
    assert stanza == Element(
        "{jabber:client}message", None, [Element("{jabber:client}body", None, ["hi"])]
    )
    assert to_xml(stanza, namespace) == "<message><body>hi</body></message>"


@pytest.mark.spec("NET-14")
@pytest.mark.parametrize(
    ("inside", "condition"),
    [
        (b"<a><!-- b --></a>", StreamCondition.RESTRICTED_XML),
        (b"<!---->", StreamCondition.RESTRICTED_XML),
        (b"<a><?b c?></a>", StreamCondition.RESTRICTED_XML),
        (b"<a>&b;</a>", StreamCondition.RESTRICTED_XML),
        (b"<a b='&c;'/>", StreamCondition.RESTRICTED_XML),
        (b"<!DOCTYPE a>", StreamCondition.NOT_WELL_FORMED),
        (b"<message><body>No closing tag!</message>", StreamCondition.NOT_WELL_FORMED),
        (b"<message><foo:body/></message>", StreamCondition.NOT_WELL_FORMED),
        (b"<message foo:a='b'/>", StreamCondition.NOT_WELL_FORMED),
        (b"<a xmlns:p='q' xmlns:r='q' p:b='' r:b=''/>", StreamCondition.NOT_WELL_FORMED),
        (b"<a b='c' b='d'/>", StreamCondition.NOT_WELL_FORMED),
        (b"<a xmlns:p='q}r'/>", StreamCondition.NOT_WELL_FORMED),
        (b"<a>\x01</a>", StreamCondition.NOT_WELL_FORMED),
        (b"<a>&#0;</a>", StreamCondition.NOT_WELL_FORMED),
        (b"<a>\xef\xbf\xbf</a>", StreamCondition.NOT_WELL_FORMED),
        (b"<a>]]></a>", StreamCondition.NOT_WELL_FORMED),
        (b"\0", StreamCondition.NOT_WELL_FORMED),
        (b"<a>", StreamCondition.NOT_WELL_FORMED),
        (b"<a>\xff</a>", StreamCondition.UNSUPPORTED_ENCODING),
        (b"<a b='\xc0\x80'/>", StreamCondition.UNSUPPORTED_ENCODING),
        (b"<a\xed\xa0\x80/>", StreamCondition.UNSUPPORTED_ENCODING),
        (b"<a>\xf4\x90\x80\x80</a>", StreamCondition.UNSUPPORTED_ENCODING),
        (b"<a>\xe2\x82</a>", StreamCondition.UNSUPPORTED_ENCODING),
        (b"hello", StreamCondition.BAD_FORMAT),
        (b"&amp;\xff", StreamCondition.BAD_FORMAT),
        (b"hello <b c=>", StreamCondition.BAD_FORMAT),
    ],
)
def test_faults_inside_a_stream(inside: bytes, condition: StreamCondition) -> None:
    assert alike(HEADER + b"<iq/>" + inside) == (
        [START, Element("{jabber:client}iq")],
        condition,
    )


@pytest.mark.spec("NET-14")
@pytest.mark.parametrize(
    ("data", "condition"),
    [
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + HEADER, StreamCondition.RESTRICTED_XML),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'>", StreamCondition.RESTRICTED_XML),
        (b"<!-- a -->" + HEADER, StreamCondition.RESTRICTED_XML),
        (b"<?a b?>" + HEADER, StreamCondition.RESTRICTED_XML),
        (b"<?xml version='1.0' encoding='UTF-16'?>", StreamCondition.UNSUPPORTED_ENCODING),
        (b"<?xml version='1.0' encoding='latin1'?>", StreamCondition.UNSUPPORTED_ENCODING),
        ("<a/>".encode("utf-16-le"), StreamCondition.UNSUPPORTED_ENCODING),
        ("<a/>".encode("utf-16-be"), StreamCondition.UNSUPPORTED_ENCODING),
        ("<a/>".encode("utf-16"), StreamCondition.UNSUPPORTED_ENCODING),
        ("<a/>".encode("utf-32-be"), StreamCondition.UNSUPPORTED_ENCODING),
        (b"\xef\xbb\xbf" + HEADER, StreamCondition.NOT_WELL_FORMED),
        (b"GET / HTTP/1.1\r\n\r\n", StreamCondition.NOT_WELL_FORMED),
        (b"\x16\x03\x01\x02\x00", StreamCondition.NOT_WELL_FORMED),
        (b"", StreamCondition.NOT_WELL_FORMED),
        (b"<stream:stream/>", StreamCondition.NOT_WELL_FORMED),
        (b"<stream/>", StreamCondition.INVALID_NAMESPACE),
        (b"<s:stream xmlns:s='http://wrong.example/'/>", StreamCondition.INVALID_NAMESPACE),
        (b"<flood xmlns='http://etherx.jabber.org/streams'/>", StreamCondition.BAD_FORMAT),
    ],
)
def test_faults_before_a_stream(data: bytes, condition: StreamCondition) -> None:
    assert alike(data) == ([], condition)


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-8"])
def test_declared_utf_8_is_fine(encoding: str) -> None:
    declared = f"<?xml version='1.0' encoding='{encoding}' standalone='no'?>".encode()
    assert alike(declared + HEADER.partition(b"?>")[2]) == ([START], "not-well-formed")


def test_nothing_follows_the_end_of_the_stream() -> None:
    ended = HEADER + b"</stream:stream>"
    assert alike(ended + b"<a/>") == ([START, StreamEnd()], StreamCondition.NOT_WELL_FORMED)


def test_stanza_may_have_exactly_the_largest_size() -> None:
    stanza = b"<message><body>" + b"x" * 400 + b"</body></message>"
    empty = b"<message id='" + b"x" * 400 + b"'/>"
    for item in (stanza, empty):
        data = HEADER + b" \n" + (item + b" ") * 3 + b"</stream:stream>"
        events, fault = alike(data, max_stanza=len(item))
        assert (len(events), fault) == (5, "")
        assert alike(data, max_stanza=len(item) - 1) == ([START], StreamCondition.POLICY_VIOLATION)


STARTS = (b"<", b"<a b='", b"<a>", b"<a>&", b"<a><!--", b"<a><![CDATA[", b"<?a ", b"<a", b"<a ")


@pytest.mark.parametrize(
    ("start", "filler"),
    [(start, b"a") for start in STARTS]
    + [(b"<a b='", b">"), (b"<a><!--", b">"), (b"<?a ", b">"), (b"<a>", b"'\">")],
)
def test_endless_token_meets_the_limit(start: bytes, filler: bytes) -> None:
    parser = StreamParser(max_stanza=2000)
    parser.feed(HEADER + start)
    for _ in range((1999 - len(start)) // len(filler)):
        assert parser.feed(filler) == []
        assert len(parser._token) < 2000
    with pytest.raises(StreamError) as caught:
        parser.feed(filler)
    assert caught.value.condition is StreamCondition.POLICY_VIOLATION


def test_endless_header_meets_the_limit() -> None:
    header = HEADER[:-1] + b" x='" + b"x" * 1000
    assert alike(header, max_stanza=1000) == ([], StreamCondition.POLICY_VIOLATION)


@pytest.mark.parametrize(
    ("inside", "limits"),
    [
        (b"<a><b><c><d/></c></b></a>", {"max_depth": 3}),
        (b"<a b='' c='' d=''/>", {"max_attributes": 2}),
        (b"<" + b"a" * 90 + b"/>", {"max_name": 90}),
        (b"<a " + b"b" * 91 + b"=''/>", {"max_name": 90}),
        (b"<a xmlns:" + b"b" * 91 + b"='c'/>", {"max_name": 90}),
        (b"<a><b/><c/><d/></a>", {"max_names": 8}),
        (b"<a b='' c='' d='' e=''/>", {"max_names": 8}),
        (b"<p:a xmlns:p='u'/><q:a xmlns:q='u'/>", {"max_names": 8}),
        (b"<a xmlns='" + b"u" * 640 + b"'/>", {"max_names": 8}),
    ],
)
def test_limits_are_policy(inside: bytes, limits: dict[str, int]) -> None:
    assert alike(HEADER + inside, **limits)[1] == StreamCondition.POLICY_VIOLATION
    generous = {name: value * 10 for name, value in limits.items()}
    assert alike(HEADER + inside + b"</stream:stream>", **generous)[1] == ""


def test_nothing_grows_with_the_number_of_stanzas() -> None:
    parser = StreamParser()
    parser.feed(HEADER)
    stanza = b"<message id='%d'><x xmlns='u' xmlns:p='v' p:q='%d'>%d</x></message>\n   \n"
    tables = []
    for count in (10, 5000):
        for number in range(count):
            assert len(parser.feed(stanza % (number, number, number))) == 1
        tables.append(
            [
                len(table)
                for table in (
                    parser._names,
                    parser._attribute_names,
                    parser._plain,
                    parser._prefixes,
                    parser._events,
                    parser._stack,
                    parser._token,
                    parser._tail,
                )
            ]
        )
    assert tables[0] == tables[1]
    assert not parser._expat.intern


class Counting(StreamParser):
    """Counts what expat reads: all that is new, and again what it had of an unfinished token."""

    read = 0

    def _hand_over(self, data: bytes) -> None:
        self.read += len(self._token) + len(data)
        super()._hand_over(data)


@pytest.mark.parametrize(
    "data",
    [
        b"<a b='" + b">" * 20000 + b"'/>",
        b'<a b="' + b"'>" * 10000 + b'"/>',
        b"<a " + b" " * 20000 + b"/>",
        b"<a>&#" + b"0" * 20000 + b"33;</a>",
        b"<a>" + b">" * 20000 + b"</a>",
        b"<a><![CDATA[" + b"]>" * 10000 + b"]]></a>",
        b"<a>" + "é".encode() * 10000 + b"</a>",
        b"<a>" + b"<b c='d'/>" * 2000 + b"</a>",
    ],
)
def test_single_bytes_cost_no_more_than_a_few_readings(data: bytes) -> None:
    parser = Counting()
    parser.feed(HEADER)
    events: list[Event] = []
    for byte in data[:-1]:
        events += parser.feed(bytes([byte]))
    assert events == []
    [found] = parser.feed(data[-1:])
    assert isinstance(found, Element)
    assert parser.read <= 8 * len(data)


def test_comment_is_not_read_over_and_over() -> None:
    parser = Counting()
    parser.feed(HEADER)
    for _ in range(20000):
        parser.feed(b"<!--" if parser.read <= len(HEADER) else b">")
    assert parser.read <= 8 * 20000


def test_whole_stanza_is_never_held_back() -> None:
    parser = StreamParser()
    parser.feed(HEADER)
    for length in (500, 100):
        assert parser.feed(b"<message to='" + b"x" * length) == []
        for byte in (b">", b"'", b"/"):
            assert parser.feed(byte) == []
        [found] = parser.feed(b">")
        assert found == Element("{jabber:client}message", {"to": "x" * length + ">"})


def test_verdict_on_the_declaration_does_not_wait() -> None:
    parser = StreamParser()
    declaration = b"<?xml version='1.0' encoding='UTF-16'?>"
    for byte in declaration[:-1]:
        parser.feed(bytes([byte]))
    with pytest.raises(StreamError):
        parser.feed(declaration[-1:])


def test_parser_is_dead_after_a_fault_until_reset() -> None:
    parser = StreamParser()
    with pytest.raises(StreamError):
        parser.feed(HEADER + b"<iq/><a></b>")
    assert parser.completed == [START, Element("{jabber:client}iq")]
    with pytest.raises(StreamError) as caught:
        parser.feed(b"<iq/>")
    assert caught.value.condition is StreamCondition.NOT_WELL_FORMED
    parser.reset()
    assert parser.feed(HEADER) == [START]


def test_reset_begins_a_stream_on_the_same_connection() -> None:
    parser = StreamParser()
    parser.feed(HEADER + b"<message")
    parser.reset()
    assert parser.feed(HEADER + b"<iq/>") == [START, Element("{jabber:client}iq")]


@pytest.mark.parametrize(
    ("value", "default", "printed"),
    [
        (Element("{u}a"), "", "<a xmlns='u'/>"),
        (Element("{u}a"), "u", "<a/>"),
        (Element("a"), "", "<a/>"),
        (Element("a"), "u", "<a xmlns=''/>"),
        (Element("{u}a", None, [Element("{u}b")]), "", "<a xmlns='u'><b/></a>"),
        (
            Element("{u}a", None, [Element("{v}b"), Element("{u}c")]),
            "u",
            "<a><b xmlns='v'/><c/></a>",
        ),
        (Element("{d}a", {"b": "c"}, [Element("{u}e")]), "u", "<db:a b='c'><e/></db:a>"),
        (Element("a", {"xml:lang": "en"}), "", "<a xml:lang='en'/>"),
        (Element("a", {"{d}b": "c"}), "", "<a db:b='c'/>"),
        (
            Element("a", {"{x}b": "c", "{y}b": "d"}),
            "",
            "<a xmlns:ns1='x' ns1:b='c' xmlns:ns2='y' ns2:b='d'/>",
        ),
        (Element("a", {"b": "<'\"&>\n\t\r"}), "", "<a b='&lt;&apos;\"&amp;&gt;&#10;&#9;&#13;'/>"),
        (Element("a", None, ["<'\"&>\n\r]]>"]), "", "<a>&lt;'\"&amp;&gt;\n&#13;]]&gt;</a>"),
        (Element("{jabber:client}iq"), "jabber:server", "<iq/>"),
        (Element("{jabber:client}iq"), "jabber:component:accept", "<iq/>"),
        (Element("{jabber:client}iq"), "", "<iq xmlns='jabber:client'/>"),
        (
            Element("{u}forwarded", None, [Element("{jabber:client}message")]),
            "jabber:server",
            "<forwarded xmlns='u'><message xmlns='jabber:client'/></forwarded>",
        ),
        (Element("{a'&<b}a"), "", "<a xmlns='a&apos;&amp;&lt;b'/>"),
    ],
)
def test_printing(value: Element, default: str, printed: str) -> None:
    assert to_xml(value, default, {"d": "db"}) == printed


@pytest.mark.parametrize("name", ["", "a b", "a>", "{u}", "{u}1a", "p:a", "a='b'", "{u}a:b"])
def test_names_that_xml_lacks_are_our_fault(name: str) -> None:
    with pytest.raises(LocalError):
        to_xml(Element(name))
    with pytest.raises(LocalError):
        to_xml(Element("a", {name: ""}))


@pytest.mark.parametrize(
    "data",
    [b"<a xmlns:r='s' r:xmlns=''/>", b"<xmlns/>", b"<xmlns xmlns='q'><a xml:lang='b'/></xmlns>"],
)
def test_the_name_xmlns_is_printed_where_a_peer_may_write_it(data: bytes) -> None:
    found = parse_document(data)
    assert parse_document(to_xml(found).encode()) == found
    with pytest.raises(LocalError):
        to_xml(Element("a", {"xmlns": "b"}))


@pytest.mark.spec("IM-29")
def test_illegal_characters_never_leave() -> None:
    printed = to_xml(Element("a", {"b": f"x{ILLEGAL}y"}, [f"x{ILLEGAL}\ty"]))
    assert printed == "<a b='xy'>x\ty</a>"
    assert sanitize(f"x{ILLEGAL}\t\n\ry\U0001f600") == "x\t\n\ry\U0001f600"
    assert "".join(filter(sanitize, map(chr, range(32)))) == "\t\n\r"


@given(XML_TEXT, XML_TEXT)
@settings(max_examples=200, deadline=None)
def test_what_is_printed_is_what_is_read(value: str, text: str) -> None:
    tree = Element("{u}a", {"b": value, "{v}c": value}, [Element("{w}d"), text] if text else [])
    assert parse_document(to_xml(tree).encode()) == tree


@given(st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_text_prints_as_its_legal_part(text: str) -> None:
    read = parse_document(to_xml(Element("a", {"b": text}, [text])).encode())
    assert (read.get("b"), read.text) == (sanitize(text), sanitize(text))


def test_document() -> None:
    document = b"<?xml version='1.0' encoding='UTF-8'?>\n<a xmlns='u'>b<c/></a>\n"
    assert parse_document(document) == Element("{u}a", None, ["b", Element("{u}c")])
    assert parse_document(b"<a/>", limit=4) == Element("a")


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        (b"", StreamCondition.NOT_WELL_FORMED),
        (b"<a>", StreamCondition.NOT_WELL_FORMED),
        (b"<a/><b/>", StreamCondition.NOT_WELL_FORMED),
        (b"<a/>b", StreamCondition.NOT_WELL_FORMED),
        (b"<a><!-- --></a>", StreamCondition.RESTRICTED_XML),
        (b"<!DOCTYPE a><a/>", StreamCondition.RESTRICTED_XML),
        (b"<a>" + b"<b>" * 64, StreamCondition.POLICY_VIOLATION),
        (b"<a>" + b"b" * 100, StreamCondition.POLICY_VIOLATION),
    ],
)
def test_documents_that_are_refused(data: bytes, condition: StreamCondition) -> None:
    limit = 50 if b"bbb" in data else 1000
    with pytest.raises(StreamError) as caught:
        parse_document(data, limit=limit)
    assert caught.value.condition is condition
