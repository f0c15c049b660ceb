"""What a NOTIFY tells, as standards and servers write it, in whatever form."""

import pytest

from dragoman.mapping.notify import presences
from dragoman.mapping.pidf import (
    CIPID,
    MEDIA_TYPE,
    Basic,
    Document,
    Note,
    Tuple,
    document_of,
    parse,
    write,
)
from dragoman.mapping.presence import Presence, from_document, languages, read, to_document
from dragoman.sip.message import Request, build_request, encode
from dragoman.xmpp.parser import parse_document

NS = "urn:ietf:params:xml:ns:pidf"
NOW = 1_795_700_000.0

# RFC 3863 §4.3.3, as printed there
EXAMPLE_4_3_3 = b"""<?xml version="1.0" encoding="UTF-8"?>
<impp:presence xmlns:impp="urn:ietf:params:xml:ns:pidf"
     xmlns:myex="http://id.mycompany.com/presence/"
     entity="pres:someone@example.com">
  <impp:tuple id="tj25ds">
    <impp:status>
      <impp:basic>open</impp:basic>
    </impp:status>
    <myex:complexExtension>
      <myex:ex1 impp:mustUnderstand="1">val1</myex:ex1>
      <myex:ex2>val2</myex:ex2>
    </myex:complexExtension>
    <impp:contact priority="0.725">tel:+09012345678</impp:contact>
  </impp:tuple>
  <myex:mytag>My extended presentity information</myex:mytag>
</impp:presence>
"""
# What Asterisk sends
ASTERISK = b"""<?xml version="1.0" encoding="ISO-8859-1"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf"
xmlns:pp="urn:ietf:params:xml:ns:pidf:person"
xmlns:es="urn:ietf:params:xml:ns:pidf:rpid:status:rpid-status"
xmlns:ep="urn:ietf:params:xml:ns:pidf:rpid:rpid-person"
entity="sip:6001@pbx.example">
<pp:person><status>
<ep:activities><ep:busy/></ep:activities>
</status></pp:person>
<note>On the phone</note>
<tuple id="6001">
<contact priority="1">sip:6001@pbx.example</contact>
<status><basic>open</basic></status>
</tuple>
</presence>
"""
# RFC 4480 §4, less what is not read
EXAMPLE_4480 = b"""<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf"
  xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
  xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"
  entity="pres:someone@example.com">
  <tuple id="bs35r9">
    <status><basic>open</basic></status>
    <dm:deviceID>urn:device:0003ba4811e3</dm:deviceID>
    <contact priority="0.8">im:someone@mobile.example.net</contact>
  </tuple>
  <note>I'll be in Tokyo next week</note>
  <dm:device id="pc147">
    <rpid:user-input idle-threshold="600"
      last-input="2004-10-21T13:20:00-05:00">idle</rpid:user-input>
    <dm:deviceID>urn:device:0003ba4811e3</dm:deviceID>
    <dm:note>PC</dm:note>
  </dm:device>
  <dm:person id="p1">
    <rpid:activities from="2005-05-30T12:00:00+05:00" until="2005-05-30T17:00:00+05:00">
      <rpid:note>Far away</rpid:note>
      <rpid:away/>
    </rpid:activities>
    <dm:note>Scoring 120</dm:note>
  </dm:person>
</presence>
"""
OPEN = b"<status><basic>open</basic></status>"


def tuple_document(inner: bytes = b"", attributes: bytes = b"", before: bytes = b"") -> bytes:
    return (
        b"<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:a@b' %b>%b"
        b"<tuple id='a'>%b%b</tuple></presence>" % (attributes, before, OPEN, inner)
    )


def told(body: bytes, content_type: str = MEDIA_TYPE, language: str = "") -> list[Presence]:
    headers = [("Content-Type", content_type)]
    headers += [("Content-Language", language)] if language else []
    return list(presences(Request("NOTIFY", "sip:a@b", headers, body), NOW) or ())


def test_the_standard_s_own_mandatory_extension_spoils_no_tuple() -> None:
    """RFC 3863 §4.3.3: complexExtension is ignored, basic and contact are not."""
    assert [each.id for each in parse(EXAMPLE_4_3_3).tuples] == ["tj25ds"]


def test_an_extension_of_status_spoils_no_basic_information() -> None:
    """RFC 3863 §4.2.3: problems are restricted to that extension."""
    new = b"<new xmlns='urn:n' xmlns:p='urn:ietf:params:xml:ns:pidf' p:mustUnderstand='1'/>"
    body = tuple_document().replace(b"</status>", new + b"</status>")
    assert [each.basic for each in parse(body).tuples] == [Basic.OPEN]


def test_documents_of_asterisk_are_read() -> None:
    """RFC 3863 §5 (charset), XML 1.0 §4.3.3: it declares ISO-8859-1, and writes ASCII."""
    assert [each.available for each in told(ASTERISK)] == [True]


def test_asterisk_s_busy_is_read() -> None:
    """Namespaces of a draft of RPID, and the person's status between."""
    [found] = told(ASTERISK.replace(b"ISO-8859-1", b"UTF-8"))
    assert found.show == "dnd"


def test_comments_are_no_fault_of_a_document() -> None:
    """RFC 3863 is plain XML 1.0: what RFC 6120 §11.1 bars is barred in streams."""
    assert len(parse(tuple_document(before=b"<!-- made by a phone -->")).tuples) == 1


@pytest.mark.parametrize("where", ["person", "tuple"])
def test_the_name_of_a_person_is_read(where: str) -> None:
    """RFC 4482 §3: elements of <person> or <tuple>; nobody has them in <presence> itself."""
    name = f"<display-name xmlns='{CIPID}'>Alice</display-name>".encode()
    person = b"<person xmlns='urn:ietf:params:xml:ns:pidf:data-model' id='p'>" + name + b"</person>"
    body = (
        tuple_document(name)
        if where == "tuple"
        else tuple_document().replace(b"</presence>", person + b"</presence>")
    )
    assert parse(body).display_name == "Alice"


def test_the_name_of_a_person_is_written_where_it_is_read() -> None:
    root = parse_document(write(Document("pres:a@b", display_name="Alice")))
    assert root.find(f"{{{CIPID}}}display-name") is None


@pytest.mark.parametrize("language", ["it, de", "de;q=1", "not a language"])
def test_content_language_becomes_a_language_or_nothing(language: str) -> None:
    """RFC 3261 §20.13 is a list, RFC 5646 §2.1 says what a tag is."""
    [found] = told(tuple_document(b"<note>ciao</note>"), language=language)
    assert [each.lang for each in found.statuses] in (["it"], ["de"], [""])


def test_what_we_write_ourselves_reads_alike() -> None:
    """A default status and one in Italian and German: Content-Language is "it, de"."""
    statuses = (Note("here"), Note("qui", "it"), Note("hier", "de"))
    what = [Presence("x", statuses=statuses)]
    body = write(to_document("pres:a@b", what, lambda _: "sip:a@b", NOW))
    [found] = told(body, language=languages(what))
    assert found.statuses == statuses


def test_a_language_is_no_header_of_its_own() -> None:
    """xml:lang is the XMPP user's to write: it must be one that SIP can carry, or none."""
    stanza = parse_document(
        b"<presence xmlns='jabber:client' from='a@b/c'>"
        b"<status xml:lang='en&#13;&#10;Route: sip:evil'>x</status></presence>"
    )
    header = languages([read(stanza)])
    headers = [("Content-Language", header)] if header else []
    assert b"Route" not in encode(build_request("NOTIFY", "sip:a@b", headers))


def test_a_language_is_not_longer_than_a_message_may_be() -> None:
    stanza = parse_document(
        b"<presence xmlns='jabber:client' from='a@b/c'>"
        b"<status xml:lang='%b'>x</status></presence>" % (b"a" * 100_000)
    )
    assert len(languages([read(stanza)])) < 1000


@pytest.mark.parametrize(
    "body",
    [
        tuple_document(b"<note>bonjour</note>", b"xml:lang='fr'"),
        tuple_document(b"<note>bonjour</note>").replace(b"<tuple ", b"<tuple xml:lang='fr' "),
    ],
)
def test_a_note_inherits_its_language(body: bytes) -> None:
    """RFC 3863 §4.1.6: from an enclosing element, before Content-Language."""
    [found] = told(body, language="en")
    assert found.statuses == (Note("bonjour", "fr"),)


def test_one_notify_does_not_become_megabytes_of_stanzas() -> None:
    """16 notes of 2,048 characters for each of 64 tuples."""
    notes = b"".join(b"<note xml:lang='a%d'>%b</note>" % (n, b"x" * 2048) for n in range(16))
    tuples = b"".join(b"<tuple id='t%d'>%b</tuple>" % (n, OPEN) for n in range(64))
    body = b"<presence xmlns='urn:ietf:params:xml:ns:pidf'>" + tuples + notes + b"</presence>"
    size = sum(len(note.text) for each in told(body) for note in each.statuses)
    assert size <= 8 * len(body)


def test_a_person_s_own_note_is_his() -> None:
    """RFC 4479 §5: notes of <presence> are for the persons that have none of their own."""
    assert parse(EXAMPLE_4480).notes == (Note("Scoring 120"),)


def test_what_was_so_until_2005_is_so_no_more() -> None:
    """RFC 4480 §3.1, `until`."""
    [found] = told(EXAMPLE_4480)
    assert found.show == ""


def test_since_when_a_device_is_idle() -> None:
    """RFC 4480 §3.14 with RFC 4479 §5: <device> has it, and the tuple names the device."""
    [found] = told(EXAMPLE_4480)
    assert found.idle_since == 1098382800.0


def part(boundary: str, *parts: bytes) -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), each) for each in parts) + (
        f"--{boundary}--\r\n".encode()
    )


HEAD = b"Content-Type: application/pidf+xml\r\n"


@pytest.mark.parametrize(
    "content",
    [
        HEAD + b"\r\n" + tuple_document(b"<note>a--Bar</note>"),
        HEAD
        + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        + tuple_document().replace(b"=", b"=3D"),
        b"Content-Type:\r\n application/pidf+xml\r\n\r\n" + tuple_document(),
    ],
    ids=["boundary within a line", "quoted-printable", "folded header"],
)
def test_the_root_of_a_multipart_is_read_as_mapping_content_reads_one(content: bytes) -> None:
    """RFC 2046 §5.1.1, RFC 2045 §6, RFC 5322 §2.2.3."""
    found = document_of("multipart/related;boundary=B", part("B", content))
    assert found is not None
    assert [each.id for each in found.tuples] == ["a"]


def test_a_part_of_another_type_is_no_presence_document() -> None:
    content = b"Content-Type: application/pidf+xmlish\r\n\r\n" + tuple_document()
    assert document_of("multipart/related;boundary=B", part("B", content)) is None


@pytest.mark.parametrize("text", ["0_1", "1e-1", "\u0660.\u0665", " 0.5"])
def test_a_priority_is_written_in_digits(text: str) -> None:
    """RFC 3863 §4.4, qvalue; white space collapses in xs:decimal."""
    body = tuple_document(f"<contact priority='{text}'>sip:a@b</contact>".encode())
    assert parse(body).tuples[0].priority in ((0.5,) if text == " 0.5" else (None,))


def test_activities_that_mean_nothing_hide_none_that_do() -> None:
    """The tuple's are looked at first, then the person's."""
    document = Document(
        "", (Tuple("ID-x", Basic.OPEN, activities=("unknown",)),), activities=("busy",)
    )
    [found] = from_document(document, lambda _: "", "", NOW)
    assert found.show == "dnd"


def test_to_know_nothing_is_not_to_be_there() -> None:
    """RFC 4480 §3.2: <unknown/>; and who is away for good is not there either."""
    for activity in ("unknown", "permanent-absence"):
        document = Document("", (Tuple("ID-x", None, activities=(activity,)),))
        assert not [e for e in from_document(document, lambda _: "", "", NOW) if e.available]


def test_the_first_note_of_a_language_counts() -> None:
    """As of two statuses of a stanza."""
    document = Document("", (Tuple("ID-x", Basic.OPEN, notes=(Note("one"), Note("two"))),))
    [found] = from_document(document, lambda _: "", "", NOW)
    assert found.statuses == (Note("one"),)


def test_two_devices_stay_two() -> None:
    """Ids "desk" and "ID-desk" are of two tuples with two contacts."""
    tuples = (
        Tuple("ID-desk", Basic.OPEN, "sip:desk@sip.example"),
        Tuple("desk", Basic.OPEN, "sip:mobile@sip.example"),
    )
    assert len(from_document(Document("", tuples), lambda _: "", "", NOW)) == 2
