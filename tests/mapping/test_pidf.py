"""RFC 3863: presence documents, as RFC 8048, RFC 4480 and phones write them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mapping.pidf import (
    LARGEST,
    LONGEST_NOTE,
    MOST_TUPLES,
    Basic,
    Document,
    Note,
    PidfError,
    Tuple,
    document_of,
    parse,
    write,
)

EXAMPLE_19 = b"""<?xml version='1.0' encoding='UTF-8'?>
<presence xmlns='urn:ietf:params:xml:ns:pidf'
          entity='pres:juliet@example.com'>
  <tuple id='ID-yn0cl4bnw0yr3vym'>
    <status>
      <basic>open</basic>
      <show xmlns='jabber:client'>away</show>
    </status>
  </tuple>
</presence>
"""
KAMAILIO = b"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
 xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:carol@sip.example">
  <dm:person id="p4159"><rpid:activities><rpid:on-the-phone/></rpid:activities></dm:person>
  <tuple id="t4109">
    <status>
      <basic>open</basic>
    </status>
    <contact>sip:carol@sip.example</contact>
  </tuple>
</presence>
"""
LINPHONE = b"""<?xml version="1.0" encoding="UTF-8" standalone="no" ?>
<p1:presence entity="sip:dave@sip.example" xmlns:p1="urn:ietf:params:xml:ns:pidf"
 xmlns:p2="urn:ietf:params:xml:ns:pidf:data-model" xmlns:p3="urn:ietf:params:xml:ns:pidf:rpid">
<p1:tuple id="vjrzn2"><p1:status><p1:basic>open</p1:basic></p1:status>
<p1:contact priority="0.8">sip:dave@sip.example;gr=urn:uuid:1</p1:contact>
<p1:note xml:lang="fr">au travail</p1:note>
<p1:timestamp>2026-11-26T12:00:00Z</p1:timestamp></p1:tuple>
<p2:person id="gy4lwa"><p3:activities><p3:busy/><p3:meeting/></p3:activities>
<p2:note>in a meeting</p2:note></p2:person>
</p1:presence>
"""
BLINK = b"""<?xml version='1.0' encoding='UTF-8'?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:agp-pidf="urn:ag-projects:xml:ns:pidf"
 xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"
 xmlns:c="urn:ietf:params:xml:ns:pidf:cipid" entity="sip%3Acarol%40sip.example">
<tuple id="SID-1"><status><basic>open</basic><agp-pidf:extended>extended-away</agp-pidf:extended>
</status><rpid:user-input last-input="2026-11-26T11:00:00Z">idle</rpid:user-input>
<dm:deviceID>DID-1</dm:deviceID><contact>sip:carol@sip.example</contact></tuple>
<c:display-name>Carol</c:display-name></presence>
"""
CARD = "urn:uuid:1"
READ = [
    (
        EXAMPLE_19,
        Document(
            "pres:juliet@example.com", (Tuple("ID-yn0cl4bnw0yr3vym", Basic.OPEN, show="away"),)
        ),
    ),
    (
        KAMAILIO,
        Document(
            "sip:carol@sip.example",
            (Tuple("t4109", Basic.OPEN, "sip:carol@sip.example"),),
            activities=("on-the-phone",),
        ),
    ),
    (
        LINPHONE,
        Document(
            "sip:dave@sip.example",
            (
                Tuple(
                    "vjrzn2",
                    Basic.OPEN,
                    "sip:dave@sip.example;gr=urn:uuid:1",
                    0.8,
                    notes=(Note("au travail", "fr"),),
                    timestamp=1795694400.0,
                ),
            ),
            (Note("in a meeting"),),
            ("busy", "meeting"),
        ),
    ),
    (
        BLINK,
        Document(
            "sip%3Acarol%40sip.example",
            (
                Tuple(
                    "SID-1",
                    Basic.OPEN,
                    "sip:carol@sip.example",
                    extended="extended-away",
                    idle_since=1795690800.0,
                    device_id="DID-1",
                ),
            ),
            display_name="Carol",
        ),
    ),
]


@pytest.mark.parametrize(("body", "document"), READ)
def test_documents_of_others_are_read(body: bytes, document: Document) -> None:
    """RFC 8048 example 19, Kamailio, Linphone and Blink."""
    assert parse(body) == document
    assert parse(write(document)) == document


def test_what_is_written_is_the_standard_s_own() -> None:
    """RFC 8048 example 19, with the prefixes that phones look for."""
    [_, document], *_ = READ
    assert write(document).decode() == (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:juliet@example.com'"
        " xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model'"
        " xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid'"
        " xmlns:c='urn:ietf:params:xml:ns:pidf:cipid'"
        " xmlns:caps='urn:ietf:params:xml:ns:pidf:caps'>"
        "<tuple id='ID-yn0cl4bnw0yr3vym'><status><basic>open</basic>"
        "<show xmlns='jabber:client'>away</show></status></tuple></presence>"
    )
    away = write(Document("pres:a@b", activities=("away",)))
    assert b"<dm:person id='person'><rpid:activities><rpid:away/></rpid:activities>" in away


texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cn", "Co"]), max_size=8
)
words = texts.filter(lambda text: text.strip() == text and text.isprintable())
notes = st.lists(
    st.builds(Note, words.filter(bool), st.sampled_from(["", "en", "de-CH"])), max_size=3
).map(tuple)
activities = st.lists(st.sampled_from(["away", "busy", "meal"]), unique=True, max_size=2).map(tuple)
moments = st.none() | st.integers(0, 2**32).map(float)
tuples = st.builds(
    Tuple,
    st.sampled_from(["ID-a", "t1", "_"]),
    st.none() | st.sampled_from(Basic),
    words,
    st.none(),
    st.sampled_from(["", "away", "dnd"]),
    st.sampled_from(["", "busy"]),
    activities,
    notes,
    moments,
    moments,
    words,
    st.frozensets(st.sampled_from(["audio", "message", "video"])),
)
documents = st.builds(
    Document, words, st.lists(tuples, max_size=3).map(tuple), notes, activities, words
)


@given(documents)
def test_what_is_written_is_read_again(document: Document) -> None:
    """Whatever characters its texts have."""
    assert parse(write(document)) == document


@pytest.mark.spec("PRES-37")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"presence",
        b"<presence/>",
        b"<presence xmlns='urn:ietf:params:xml:ns:pidf'>",
        EXAMPLE_19[:-20],
        b"<!DOCTYPE presence>" + EXAMPLE_19,
        b"<!DOCTYPE p [<!ENTITY x 'y'>]><presence xmlns='urn:ietf:params:xml:ns:pidf'/>",
        EXAMPLE_19.replace(b"open", b"&unknown;"),
        EXAMPLE_19.replace(b"away", b"\xff"),
        b"<presence xmlns='urn:ietf:params:xml:ns:pidf'>" + b"<a>" * 500 + b"</a>" * 500,
        b"<presence xmlns='urn:ietf:params:xml:ns:pidf'>" + b" " * LARGEST + b"</presence>",
        b"<presence xmlns='urn:ietf:params:xml:ns:pidf'>"
        + b"<tuple id='a'/>" * (MOST_TUPLES + 1)
        + b"</presence>",
    ],
)
def test_what_is_no_document_is_refused(body: bytes) -> None:
    """As one error, which is the peer's."""
    with pytest.raises(PidfError) as caught:
        parse(body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("must", "there"),
    [
        ("", True),
        ("xmlns:p='urn:ietf:params:xml:ns:pidf' p:mustUnderstand='0'", True),
        ("xmlns:p='urn:ietf:params:xml:ns:pidf' p:mustUnderstand='1'", False),
        ("xmlns:p='urn:ietf:params:xml:ns:pidf' p:mustUnderstand='true'", False),
    ],
)
def test_what_must_be_understood_and_is_not(must: str, there: bool) -> None:
    """RFC 3863 §4.3.3: the extension that has it is ignored, and nothing around it."""
    activities = f"""<activities xmlns='urn:ietf:params:xml:ns:pidf:rpid'><away/>
        <new xmlns='urn:example:new' {must}/></activities></status>"""
    [found] = parse(EXAMPLE_19.replace(b"</status>", activities.encode())).tuples
    assert (found.basic, found.activities) == (Basic.OPEN, ("away",) if there else ())


PRIORITIES = [("0", 0.0), ("0.5", 0.5), ("1.0", 1.0), ("1.1", None), ("-0.1", None)]
PRIORITIES += [("", None), ("high", None), ("nan", None), ("inf", None)]


@pytest.mark.parametrize(("text", "priority"), PRIORITIES)
def test_a_priority_is_from_0_to_1(text: str, priority: float | None) -> None:
    """RFC 3863 §4.1.5; another counts as none."""
    body = EXAMPLE_19.replace(
        b"</tuple>", f"<contact priority='{text}'>sip:a@b</contact></tuple>".encode()
    )
    assert parse(body).tuples[0].priority == priority


def test_a_long_note_is_cut() -> None:
    """Its beginning is told."""
    body = EXAMPLE_19.replace(b"</tuple>", b"<note>" + b"x" * 9999 + b"</note></tuple>")
    assert parse(body).tuples[0].notes == (Note("x" * LONGEST_NOTE),)


def related(parameters: str, *parts: tuple[str, bytes]) -> tuple[str, bytes]:
    """Return a multipart/related: its Content-Type and body."""
    bodies = [f"{head}\r\n\r\n".encode() + content for head, content in parts]
    joined = b"".join(b"--B\r\n" + each + b"\r\n" for each in bodies)
    return f"multipart/related;boundary=B{parameters}", joined + b"--B--\r\n"


PIDF = ("Content-Type: application/pidf+xml\r\nContent-ID: <root@x>", EXAMPLE_19)
OTHER = ("Content-Type: image/png\r\nContent-ID: <icon@x>", b"\x89PNG")
BODIES = [
    (("application/pidf+xml", EXAMPLE_19), True),
    (("Application/PIDF+XML;charset=utf-8", b"\xef\xbb\xbf" + EXAMPLE_19), True),
    (("application/xpidf+xml", EXAMPLE_19), False),
    (("application/pidf-diff+xml", EXAMPLE_19), False),
    (related("", PIDF, OTHER), True),
    (related(";type=x", OTHER, PIDF), False),
    (related(';start="<root@x>"', OTHER, PIDF), True),
    (related(';start="<none@x>"', OTHER, PIDF), False),
]


@pytest.mark.parametrize(("body", "there"), BODIES)
def test_the_document_of_a_body(body: tuple[str, bytes], there: bool) -> None:
    """RFC 2387: of a multipart/related it is the root."""
    found = document_of(*body)
    assert found == (READ[0][1] if there else None)


@pytest.mark.parametrize(
    "content_type",
    ["", "application", "multipart/related", "multipart/related;boundary=" + "x" * 71],
)
def test_a_body_of_which_nothing_can_be_said(content_type: str) -> None:
    """It is malformed."""
    with pytest.raises(PidfError):
        document_of(content_type, EXAMPLE_19)


def test_the_worst_document_is_read_in_time() -> None:
    """What is long, deep or many is so in bounded time."""
    worst = [
        b"<presence xmlns='urn:ietf:params:xml:ns:pidf'>" + b"<tuple/>" * 64 + b"<note/>" * 9000,
        b"<presence xmlns='urn:ietf:params:xml:ns:pidf'><tuple>" + b"<a>" * 20000,
    ]
    began = time.process_time()
    for body in worst:
        for end in (b"", b"</presence>"):
            try:
                parse(body + end)
            except PidfError:
                continue
    assert time.process_time() - began < 1.0
