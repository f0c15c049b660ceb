"""RFC 8048 §6: presence stanzas and presence documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mapping.pidf import Basic, Document, Note, Tuple, parse, write
from dragoman.mapping.presence import (
    LONGEST_NAME,
    LONGEST_STATUS,
    LONGEST_TEXTS,
    MOST_LANGUAGES,
    Presence,
    from_document,
    from_priority,
    gone,
    languages,
    plainest,
    read,
    resource_of_id,
    to_document,
    to_priority,
    to_stanza,
    tuple_id,
)
from dragoman.xmpp.element import CLIENT, Element
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.stanza import presence

JULIET, ROMEO = Jid.parse("juliet@example.com"), Jid.parse("romeo@example.net")
NOW = 1_795_700_000.0


def stanza(inner: str = "", kind: str = "", resource: str = "balcony") -> Element:
    """Return a stanza of Juliet's."""
    type_ = kind and f" type='{kind}'"
    return parse_document(
        f"<presence xmlns='jabber:client' from='juliet@example.com/{resource}'"
        f" to='romeo@example.net'{type_}>{inner}</presence>".encode()
    )


def contact(resource: str) -> str:
    """Return the URI of a resource."""
    return f"sip:juliet@example.com;gr={resource}"


def there_and_back(what: Presence) -> list[Presence]:
    """Return what is left of presence after it crossed twice."""
    document = parse(
        write(to_document("pres:juliet@example.com", [what], lambda _: "sip:a@b", NOW))
    )
    return from_document(document, lambda _: "", "", NOW)


READ = [
    ("", Presence("balcony")),
    ("<show>away</show>", Presence("balcony", show="away")),
    ("<show>gone</show><priority>high</priority>", Presence("balcony")),
    ("<show/><priority>5</priority>", Presence("balcony", priority=5)),
    ("<priority>-128</priority>", Presence("balcony", priority=-128)),
    ("<priority>128</priority>", Presence("balcony")),
    ("<priority>+7</priority>", Presence("balcony", priority=7)),
    (
        "<status>here</status><status xml:lang='it'>qui</status><status>twice</status>",
        Presence("balcony", statuses=(Note("here"), Note("qui", "it"))),
    ),
    (
        (
            "<delay xmlns='urn:xmpp:delay' stamp='2026-11-26T12:00:00Z'/>"
            "<idle xmlns='urn:xmpp:idle:1' since='2026-11-26T11:00:00Z'/>"
            "<nick xmlns='http://jabber.org/protocol/nick'> Juliet </nick>"
        ),
        Presence("balcony", since=1795694400.0, idle_since=1795690800.0, nick="Juliet"),
    ),
]


@pytest.mark.parametrize(("inner", "what"), READ)
def test_a_stanza_is_read(inner: str, what: Presence) -> None:
    """What RFC 6121 does not allow counts for nothing."""
    assert read(stanza(inner)) == what


def test_the_language_of_a_stanza_is_that_of_its_status() -> None:
    """RFC 6120 §4.7.4."""
    found = stanza("<status>qui</status>")
    found.attributes["xml:lang"] = "it"
    assert read(found).statuses == (Note("qui", "it"),)


@pytest.mark.parametrize("lang", ["de&#10;X: y", "de&#13;&#10;X: y", "d;e", "d" * 9, "\u00e9"])
def test_a_language_that_is_none_is_left_out(lang: str) -> None:
    """RFC 5646 §2.1: what else it says would be a header, of which there may be more than one."""
    found = read(stanza(f"<status xml:lang='{lang}'>here</status>"))
    assert found.statuses == (Note("here"),)
    assert languages([found]) == ""
    document = Document("", (Tuple("ID-x", Basic.OPEN, notes=(Note("here", lang),)),))
    [told] = from_document(document, lambda _: "", lang, NOW)
    assert told.statuses == (Note("here"),)


def test_statuses_are_bounded() -> None:
    """In number and in length."""
    many = "".join(f"<status xml:lang='de-{n}'>{'x' * 2000}</status>" for n in range(20))
    statuses = read(stanza(many)).statuses
    assert [len(each.text) for each in statuses] == [LONGEST_STATUS] * MOST_LANGUAGES


def test_names_are_bounded() -> None:
    """A name is told with each resource: all texts of a document have a bound together."""
    name = f"<nick xmlns='http://jabber.org/protocol/nick'>{'x' * 2000}</nick>"
    assert len(read(stanza(name)).nick) == LONGEST_NAME
    tuples = tuple(Tuple(f"ID-{n}", Basic.OPEN) for n in range(100))
    told = from_document(Document("", tuples, display_name="y" * 2000), lambda _: "", "", NOW)
    assert len(told) == 100
    assert sum(len(each.nick) for each in told) == LONGEST_TEXTS


def test_the_plainest_of_several() -> None:
    """The most available, without texts; nobody where nobody is there."""
    several = [
        Presence("a", available=False, statuses=(Note("gone"),)),
        Presence("b", show="away", statuses=(Note("out"),), nick="B"),
        Presence("c" * 65, show="chat", statuses=(Note("in"),), nick="C", since=1.0),
    ]
    [plain] = plainest(several)
    assert plain == Presence(plain.resource, show="chat")
    assert len(plain.resource) == 16
    assert plainest(several[:2]) == (Presence("b", show="away"),)
    assert plainest(several[:1]) == plainest([]) == ()


@pytest.mark.spec("PRES-16")
def test_open_and_closed() -> None:
    """RFC 8048 table 1 note 4, table 2 note 1: and back."""
    assert to_document("", [read(stanza())], contact, NOW).tuples[0].basic is Basic.OPEN
    assert to_document("", [read(stanza(kind="unavailable"))], contact, NOW).tuples[0].basic is (
        Basic.CLOSED
    )
    [there], [gone_] = (
        from_document(Document("", (Tuple("ID-x", basic),)), lambda _: "", "", NOW)
        for basic in (Basic.OPEN, Basic.CLOSED)
    )
    assert to_stanza(there, ROMEO, JULIET).get("type") is None
    assert to_stanza(gone_, ROMEO, JULIET).get("type") == "unavailable"


@pytest.mark.spec("PRES-17")
def test_priorities() -> None:
    """RFC 8048 table 1 note 6: each its own, three places, and exactly restored."""
    printed = [f"{to_priority(each):.3f}" for each in range(128)]
    assert [printed[0], printed[1], printed[2], printed[126], printed[127]] == [
        *("0.000", "0.007", "0.015", "0.992", "1.000")
    ]
    assert len(set(printed)) == 128
    assert [from_priority(float(each)) for each in printed] == list(range(128))
    assert to_priority(-1) is None
    assert from_priority(None) == 0
    for priority in (0, 1, 64, 127):
        assert there_and_back(Presence("x", priority=priority)) == [
            Presence("x", priority=priority)
        ]
    assert there_and_back(Presence("x", priority=-1)) == [Presence("x")]


RESOURCES = [
    ("yn0cl4bnw0yr3vym", "ID-yn0cl4bnw0yr3vym"),
    ("7", "ID-7"),
    ("my phone", "ID-my_20phone"),
    ("a_b", "ID-a_5fb"),
    ("é/:", "ID-_c3_a9_2f_3a"),
    ("", "ID-"),
]


@pytest.mark.spec("PRES-18")
@pytest.mark.parametrize(("resource", "id_"), RESOURCES)
def test_a_tuple_s_id(resource: str, id_: str) -> None:
    """RFC 8048 table 1 note 2: an xs:ID for any resource."""
    assert tuple_id(resource) == id_
    assert resource_of_id(id_) == resource


@pytest.mark.spec("PRES-18")
@given(st.text(max_size=20))
def test_a_tuple_s_id_is_undone(resource: str) -> None:
    """For every resource that there can be."""
    try:
        resource = Jid.of("", "example.com", resource).resource
    except StanzaError:
        return
    id_ = tuple_id(resource)
    assert id_.isascii()
    assert all(each.isalnum() or each in "-._" for each in id_)
    assert resource_of_id(id_) == resource


@pytest.mark.parametrize("id_", ["ID-_ff", "\ufdd0", "ID-_00", "x" * 2000])
def test_an_id_that_is_no_resource_gets_one(id_: str) -> None:
    """Always the same, and a legal one."""
    resource = resource_of_id(id_)
    assert resource
    assert Jid.of("", "example.com", resource).resource == resource
    assert resource_of_id(id_) == resource


@pytest.mark.spec("PRES-19")
@pytest.mark.parametrize("show", ["chat", "away", "xa", "dnd"])
def test_show(show: str) -> None:
    """RFC 8048 table 1 note 7: in jabber:client, within status."""
    [found] = to_document("", [Presence("x", show=show)], contact, NOW).tuples
    assert found.show == show
    assert (
        f"<show xmlns='jabber:client'>{show}</show></status>"
        in write(Document("", (found,))).decode()
    )
    assert there_and_back(Presence("x", show=show)) == [Presence("x", show=show)]


@pytest.mark.spec("PRES-20")
def test_statuses_and_languages() -> None:
    """RFC 8048 tables 1 and 2: notes and Content-Language, each language its own."""
    statuses = (Note("here"), Note("qui", "it"), Note("hier", "de"))
    what = Presence("x", statuses=statuses)
    assert to_document("", [what], contact, NOW).tuples[0].notes == statuses
    assert languages([what, what]) == "it, de"
    assert there_and_back(what) == [what]
    document = Document("", (Tuple("ID-x", Basic.OPEN, notes=(Note("ici"),)),))
    [found] = from_document(document, lambda _: "", "fr", NOW)
    assert found.statuses == (Note("ici", "fr"),)
    [status] = to_stanza(found, ROMEO, JULIET).find_all(f"{{{CLIENT}}}status")
    assert (status.text, status.get("xml:lang")) == ("ici", "fr")


def test_notes_of_the_document_count_where_a_tuple_has_none() -> None:
    """RFC 8048 table 2."""
    tuples = (Tuple("ID-a", Basic.OPEN), Tuple("ID-b", Basic.OPEN, notes=(Note("mine"),)))
    found = from_document(Document("", tuples, (Note("ours"),)), lambda _: "", "", NOW)
    assert [each.statuses[0].text for each in found] == ["ours", "mine"]


@pytest.mark.spec("PRES-21")
def test_resources_are_tuples_of_one_document() -> None:
    """RFC 3856 §6.7: the most available first, which is all that some phones read."""
    given_ = [
        Presence("gone", available=False),
        Presence("dnd", show="dnd"),
        Presence("xa", show="xa"),
        Presence("low", priority=1),
        Presence("high", priority=9),
        Presence("chat", show="chat"),
    ]
    document = to_document("pres:juliet@example.com", given_, contact, NOW)
    assert [each.id for each in document.tuples] == [
        f"ID-{name}" for name in ("chat", "high", "low", "xa", "dnd", "gone")
    ]
    assert [each.contact for each in document.tuples][:1] == ["sip:juliet@example.com;gr=chat"]
    assert document.tuples[-1].priority is None


def test_what_a_resource_can_do_is_told() -> None:
    """RFC 5196 §3.2: take messages; one that is gone can do nothing."""
    given_ = [Presence("here"), Presence("gone", available=False)]
    here, gone_ = to_document("", given_, contact, NOW).tuples
    assert (here.capable, gone_.capable) == (frozenset({"message"}), frozenset())
    written = write(Document("", (here,))).decode()
    caps = "<caps:audio>false</caps:audio><caps:message>true</caps:message><caps:video>false"
    assert f"<caps:servcaps>{caps}" in written


def test_last_words_are_told_where_nobody_is_left() -> None:
    """Linphone shows the last note of a document as what its friend says now."""
    words = (Note("Disconnected"),)
    left = Presence("phone", available=False, statuses=words)
    here = Presence("desk", statuses=(Note("hello"),))
    together = to_document("", [left, here], contact, NOW)
    assert [each.notes for each in together.tuples] == [here.statuses, ()]
    assert to_document("", [left], contact, NOW).tuples[0].notes == words


def test_nobody_is_one_closed_tuple() -> None:
    """RFC 8048 table 1 note 5."""
    [found] = to_document("pres:juliet@example.com", [], contact, NOW).tuples
    assert (found.basic, found.id) == (Basic.CLOSED, "ID-")


@pytest.mark.spec("PRES-22")
def test_tuples_are_resources() -> None:
    """RFC 3856 §6.8: one presence each; a resource that is told of no more is gone."""
    tuples = tuple(Tuple(f"ID-{name}", Basic.OPEN) for name in ("a", "b", "c"))
    before = from_document(Document("", tuples), lambda _: "", "", NOW)
    after = from_document(Document("", tuples[1:]), lambda _: "", "", NOW)
    assert [str(to_stanza(each, ROMEO, JULIET).get("from")) for each in before] == [
        f"romeo@example.net/{name}" for name in ("a", "b", "c")
    ]
    assert gone(before, after) == ["a"]
    assert gone([Presence("a", available=False)], after) == []


def test_the_device_s_own_name_counts() -> None:
    """RFC 7247 §6.3: `gr` before the tuple's id; two tuples of one device are one, open wins."""
    tuples = (
        Tuple("t1", Basic.CLOSED, "sip:romeo@example.net;gr=orchard"),
        Tuple("t2", Basic.OPEN, "sip:romeo@example.net;gr=orchard"),
        Tuple("t3", Basic.OPEN, "sip:romeo@example.net", device_id="d"),
        Tuple("t4", Basic.CLOSED, "sip:romeo@example.net", device_id="d"),
        Tuple("t5", Basic.OPEN, "sip:romeo@example.net"),
    )
    found = from_document(Document("", tuples), lambda uri: uri.partition(";gr=")[2], "", NOW)
    assert [(each.resource, each.available) for each in found] == [
        ("orchard", True),
        ("t3", True),
        ("t5", True),
    ]


ACTIVITIES = [
    (("away",), "away"),
    (("meal",), "away"),
    (("sleeping",), "xa"),
    (("vacation",), "xa"),
    (("permanent-absence",), "xa"),
    (("busy",), "dnd"),
    (("on-the-phone",), "dnd"),
    (("meeting",), "dnd"),
    (("presentation",), "dnd"),
    (("in-transit",), "away"),
    (("appointment",), "away"),
    (("unknown", "working"), ""),
    (("working", "lunch", "busy"), "away"),
]


@pytest.mark.spec("PRES-36")
@pytest.mark.parametrize(("activities", "show"), ACTIVITIES)
def test_activities(activities: tuple[str, ...], show: str) -> None:
    """RFC 4480 §3.2: of the tuple or the person; the first that means anything in XMPP."""
    of_tuple = Document("", (Tuple("ID-x", Basic.OPEN, activities=activities),))
    of_person = Document("", (Tuple("ID-x", Basic.OPEN),), activities=activities)
    for document in (of_tuple, of_person):
        [found] = from_document(document, lambda _: "", "", NOW)
        assert found.show == show


@pytest.mark.spec("PRES-36")
@pytest.mark.parametrize(
    ("shows", "activities"),
    [
        (["away"], ("away",)),
        (["xa"], ("away",)),
        (["dnd"], ("busy",)),
        (["chat"], ()),
        (["dnd", ""], ()),
        (["dnd", "xa"], ("away",)),
    ],
)
def test_the_person_does_what_the_most_available_resource_says(
    shows: list[str], activities: tuple[str, ...]
) -> None:
    """RFC 8048 §6.2."""
    given_ = [Presence(str(number), show=show) for number, show in enumerate(shows)]
    assert to_document("", given_, contact, NOW).activities == activities


def test_nobody_who_is_gone_does_anything() -> None:
    """What a resource said before it went says nothing."""
    given_ = [Presence("x", available=False, show="dnd")]
    document = to_document("", given_, contact, NOW)
    assert (document.activities, document.tuples[0].show) == ((), "")


@pytest.mark.spec("PRES-38")
@pytest.mark.parametrize(
    ("extended", "show"),
    [("away", "away"), ("extended-away", "xa"), ("busy", "dnd"), ("available", ""), ("x", "")],
)
def test_blink_s_own_word(extended: str, show: str) -> None:
    """It comes before activities, and after <show/>."""
    document = Document(
        "", (Tuple("ID-x", Basic.OPEN, extended=extended),), activities=("unknown",)
    )
    [found] = from_document(document, lambda _: "", "", NOW)
    assert found.show == show


def test_a_tuple_that_says_nothing_is_ignored() -> None:
    """RFC 3863 §4.1.3: one without basic, unless it says what implies that somebody is there."""
    tuples = (Tuple("ID-a"), Tuple("ID-b", show="away"), Tuple("ID-c", activities=("meal",)))
    found = from_document(Document("", tuples), lambda _: "", "", NOW)
    assert [(each.resource, each.available) for each in found] == [("b", True), ("c", True)]


def test_the_time_is_told_where_it_is_another() -> None:
    """XEP-0203: of more than a minute ago."""
    tuples = tuple(
        Tuple(f"ID-{age}", Basic.OPEN, timestamp=NOW - age) for age in (0, 59, 61, -1000)
    )
    found = from_document(Document("", tuples), lambda _: "", "", NOW)
    assert [each.since for each in found] == [None, None, NOW - 61, None]
    late = to_stanza(found[2], ROMEO, JULIET)
    assert late.find("{urn:xmpp:delay}delay") is not None
    assert read(late).since == NOW - 61


def test_a_stanza_has_all_that_is_known() -> None:
    """And of one who is gone, no more than that he is."""
    what = Presence("x", True, "dnd", (Note("no"),), 5, None, NOW, "Romeo")
    assert read(to_stanza(what, ROMEO, JULIET)) == what
    assert to_stanza(Presence("", available=False), ROMEO, JULIET) == presence(
        "juliet@example.com", "romeo@example.net", type="unavailable"
    )
