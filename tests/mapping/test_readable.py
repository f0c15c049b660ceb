"""What a phone shows: corrections, retractions, replies, reactions and the rest, each said once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mapping.excerpt import LONGEST, line
from dragoman.mapping.readable import (
    MOST_URLS,
    corrects_nothing,
    known_as,
    readable,
    said,
    withheld,
)
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import fallback, reactions, replies
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.stanza import BODY, MESSAGE

CAKE = "We should bake a cake"
EVIL = "\u202eevil\nbake " + "x" * 100
TEXTS = {
    "m1": CAKE,
    "long": "x" * 1000,
    "evil": EVIL,
    "reply": f"> Anna wrote:\n> {CAKE}\nGreat idea!",
    "quote": "> only\n> quoted",
    "q" * 129: "never asked for",
    "": "never asked for",
}
"""What is known of the conversation by the id of each message."""

TO_M1 = "<reply to='anna@example.com' id='m1' xmlns='urn:xmpp:reply:0'/>"
FIX_M1 = "<replace id='m1' xmlns='urn:xmpp:message-correct:0'/>"
RETRACT_M1 = "<retract id='m1' xmlns='urn:xmpp:message-retract:1'/>"
FASTENED = (
    "<apply-to id='m1' xmlns='urn:xmpp:fasten:0'>"
    "<retract xmlns='urn:xmpp:message-retract:0'/></apply-to>"
)
URL = "https://h.example/summit.jpg"
OOB = f"<x xmlns='jabber:x:oob'><url>{URL}</url></x>"
SFS = (
    "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'>"
    "<name>summit.jpg</name></file>{}</file-sharing>"
)
SOURCES = (
    "<sources xmlns='urn:xmpp:sfs:0'>"
    f"<url-data xmlns='http://jabber.org/protocol/url-data' target='{URL}'/></sources>"
)
SIMS = (
    "<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'>"
    f"<sources><reference xmlns='urn:xmpp:reference:0' uri='{URL}'/></sources>"
    "</media-sharing></reference>"
)


def message(inner: str, attributes: str = "") -> Element:
    return parse_document(f"<message xmlns='jabber:client' {attributes}>{inner}</message>".encode())


def known(id_: str) -> str:
    return TEXTS.get(id_, "")


def body(text: str) -> str:
    return f"<body>{text}</body>"


def fallback_for(extension: str, start: int | None = None, end: int | None = None) -> str:
    part = "" if start is None else f"<body start='{start}' end='{end}'/>"
    return f"<fallback xmlns='urn:xmpp:fallback:0' for='{extension}'>{part}</fallback>"


def reacting(*emoji: str, to: str = "m1") -> str:
    inner = "".join(f"<reaction>{each}</reaction>" for each in emoji)
    return f"<reactions id='{to}' xmlns='urn:xmpp:reactions:0'>{inner}</reactions>"


REPLY_BODY = "&gt; Anna wrote:\n&gt; We should bake a cake\nGreat idea!"
RETRACTED = "/me retracted a previous message, but it's unsupported by your client."
RETRACTED_EARLIER = (
    "This person attempted to retract a previous message, but it's unsupported by your client."
)


@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        (body("wherefore"), "wherefore"),
        (body("/me waves *wildly*"), "/me waves *wildly*"),
        (body("a\n\n b "), "a\n\n b "),
        ("", ""),
        (body(""), ""),
        ("<active xmlns='http://jabber.org/protocol/chatstates'/>", ""),
        ("<received xmlns='urn:xmpp:receipts' id='m1'/>", ""),
        ("<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>", ""),
        # A fallback for what nobody here knows is text like any other.
        (body("look") + fallback_for("urn:example:3d"), "look"),
    ],
)
def test_messages_without_extensions_are_as_they_were_written(inner: str, shown: str) -> None:
    assert readable(message(inner), known) == shown


@pytest.mark.spec("IM-32")
@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        (body("wherefore") + FIX_M1, "* wherefore"),
        (body("* wherefore") + FIX_M1, "* * wherefore"),
        (body("x") + "<replace xmlns='urn:xmpp:message-correct:0'/>", "* x"),
        (body("two\nlines") + FIX_M1, "* two\nlines"),
        (FIX_M1, ""),
        (body("") + FIX_M1, ""),
        (body("a picture") + OOB + FIX_M1, f"* a picture\n{URL}"),
        # The quotation was there the first time.
        (body(REPLY_BODY) + TO_M1 + fallback_for(replies.NS, 0, 38) + FIX_M1, "* Great idea!"),
        (body("Great idea!") + TO_M1 + FIX_M1, "* Great idea!"),
    ],
)
def test_a_correction_is_the_new_text_behind_a_star(inner: str, shown: str) -> None:
    assert readable(message(inner), known) == shown


@pytest.mark.spec("IM-32")
def test_a_correction_that_changes_nothing_is_known_as_such() -> None:
    def had(id_: str, text: str) -> bool:
        return known(id_) == text

    assert corrects_nothing(message(body(CAKE) + FIX_M1), had)
    assert not corrects_nothing(message(body(CAKE + "!") + FIX_M1), had)
    assert not corrects_nothing(message(body(CAKE) + OOB + FIX_M1), had)
    assert not corrects_nothing(message(body(CAKE)), had)
    for id_ in ("", "q" * 129):
        inner = f"<replace id='{id_}' xmlns='urn:xmpp:message-correct:0'/>"
        assert not corrects_nothing(message(body("never asked for") + inner), had)


@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        (RETRACT_M1, f'[took back: "{CAKE}"]'),
        (RETRACT_M1.replace(":1", ":0"), f'[took back: "{CAKE}"]'),
        (
            FASTENED + body(RETRACTED_EARLIER) + "<fallback xmlns='urn:xmpp:fallback:0'/>",
            f'[took back: "{CAKE}"]',
        ),
        (RETRACT_M1.replace("m1", "other"), "[took back a message]"),
        (RETRACT_M1.replace("id='m1'", ""), "[took back a message]"),
        (RETRACT_M1.replace("m1", "q" * 129), "[took back a message]"),
        (RETRACT_M1.replace("m1", "reply"), '[took back: "Great idea!"]'),
        (RETRACT_M1.replace("m1", "quote"), '[took back: "> only > quoted"]'),
        (RETRACT_M1.replace("m1", "long"), f'[took back: "{"x" * 59}…"]'),
        (RETRACT_M1.replace("m1", "evil"), f'[took back: "evil bake {"x" * 49}…"]'),
        (
            RETRACT_M1 + body(RETRACTED) + fallback_for("urn:xmpp:message-retract:1"),
            f'[took back: "{CAKE}"]',
        ),
        (RETRACT_M1 + body(RETRACTED), f'[took back: "{CAKE}"]'),
        (RETRACT_M1 + body("I did not mean it"), f'[took back: "{CAKE}"]\nI did not mean it'),
        (
            RETRACT_M1 + body("I retract my support") + fallback_for("urn:example:3d"),
            f'[took back: "{CAKE}"]\nI retract my support',
        ),
        (
            RETRACT_M1 + body("xSorry.") + fallback_for("urn:xmpp:message-retract:1", 0, 1),
            f'[took back: "{CAKE}"]\nSorry.',
        ),
        (
            RETRACT_M1 + body("xI retract it, unsupported")
            + fallback_for("urn:xmpp:message-retract:1", 0, 1),
            f'[took back: "{CAKE}"]\nI retract it, unsupported',
        ),
        (RETRACT_M1 + FIX_M1 + body(RETRACTED), f'[took back: "{CAKE}"]'),
    ],
)  # fmt: skip
def test_a_retraction_is_told(inner: str, shown: str) -> None:
    assert readable(message(inner), known) == shown


@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        # The standard's own example.
        (
            body(REPLY_BODY) + TO_M1 + fallback_for(replies.NS, 0, 38),
            f"> Anna wrote:\n> {CAKE}\nGreat idea!",
        ),
        (body(REPLY_BODY) + TO_M1, f"> Anna wrote:\n> {CAKE}\nGreat idea!"),
        (body("Great idea!") + TO_M1, f"> {CAKE}\nGreat idea!"),
        (body("Great idea!") + TO_M1.replace("m1", "other"), "Great idea!"),
        (body("Great idea!") + TO_M1.replace("id='m1'", ""), "Great idea!"),
        (body("Great idea!") + TO_M1.replace("m1", "q" * 129), "Great idea!"),
        (body("Great!") + TO_M1.replace("m1", "reply"), "> Great idea!\nGreat!"),
        (body("Great!") + TO_M1.replace("m1", "evil"), f"> evil bake {'x' * 49}…\nGreat!"),
        (body("") + TO_M1, ""),
        # What stands in for the reply is made alike, whatever it looks like.
        (
            body("Anna:\n\n&gt;&gt; cake\n&gt;bake\n\n\nYes") + TO_M1
            + fallback_for(replies.NS, 0, 21),
            "> Anna:\n> > cake\n> bake\nYes",
        ),
        (
            body("&gt; a\n&gt; b\n&gt; c\n&gt; d\n&gt; e\nYes") + TO_M1
            + fallback_for(replies.NS, 0, 20),
            "> a\n> b\n> c\n> …\nYes",
        ),
        (
            body(f"&gt; {'x' * 900}\nYes") + TO_M1 + fallback_for(replies.NS, 0, 903),
            f"> {'x' * 59}…\nYes",
        ),
        # A range that leaves nothing of the reply is a mistake: all of it is text.
        (
            body("&gt; a\nYes") + TO_M1 + fallback_for(replies.NS, 0, 900),
            "> a\nYes",
        ),
        (body("Yes") + TO_M1 + fallback_for(replies.NS), f"> {CAKE}\nYes"),
        (body("&gt; a\nYes") + TO_M1 + fallback_for(replies.NS, 900, 3), "> a\nYes"),
        (
            body("  \nYes") + TO_M1 + fallback_for(replies.NS, 0, 2),
            f"> {CAKE}\nYes",
        ),
        (body("&gt; a\nYes") + fallback_for(replies.NS, 0, 4), "> a\nYes"),
        (
            body("&gt; a\nsee") + TO_M1 + fallback_for(replies.NS, 0, 4) + OOB,
            f"> a\nsee\n{URL}",
        ),
    ],
)  # fmt: skip
def test_a_reply_says_what_it_answers_once(inner: str, shown: str) -> None:
    assert readable(message(inner), known) == shown


@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        (reacting("👍"), f'[reacted 👍 to "{CAKE}"]'),
        (reacting("👋", "🐢"), f'[reacted 👋 🐢 to "{CAKE}"]'),
        (reacting("👍", to="other"), "[reacted 👍]"),
        (reacting("👍", to="reply"), '[reacted 👍 to "Great idea!"]'),
        (reacting(), f'[took back a reaction to "{CAKE}"]'),
        (reacting(to="other"), "[took back a reaction]"),
        (reacting("👍") + body("👍"), f'[reacted 👍 to "{CAKE}"]'),
        (reacting("👋", "🐢") + body(" 👋🐢\n"), f'[reacted 👋 🐢 to "{CAKE}"]'),
        (reacting("👍") + body("well done"), f'[reacted 👍 to "{CAKE}"]\nwell done'),
        (
            reacting("👍") + body("&gt; cake\n👍") + TO_M1
            + fallback_for(reactions.NS, 7, 8) + fallback_for(replies.NS, 0, 7),
            f'[reacted 👍 to "{CAKE}"]',
        ),
        (
            reacting("👍") + body("Juliet reacted with 👍") + fallback_for(reactions.NS),
            f'[reacted 👍 to "{CAKE}"]',
        ),
        (reacting("thumbs up, and all fingers"), f'[reacted thumbs up, and… to "{CAKE}"]'),
        (reacting("\u202ea\n b"), f'[reacted a b to "{CAKE}"]'),
        (reacting("👩🏽‍❤️‍💋‍👨🏿"), f'[reacted 👩🏽‍❤️‍💋‍👨🏿 to "{CAKE}"]'),
    ],
)  # fmt: skip
def test_a_reaction_is_told_once(inner: str, shown: str) -> None:
    assert readable(message(inner), known) == shown


@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        (OOB, URL),
        (OOB * 2, URL),
        (OOB + body("a picture"), f"a picture\n{URL}"),
        (OOB + body(URL), URL),
        (OOB.replace("https://h", "https://h\n&#9;"), "https://h .example/summit.jpg"),
        (SFS.format(SOURCES), URL),
        (SFS.format(SOURCES) + SIMS + OOB, URL),
        (SFS.format(SOURCES) + body(URL) + fallback_for("urn:xmpp:sfs:0") + OOB, URL),
        (SFS.format(SOURCES) + body("a picture"), f"a picture\n{URL}"),
        (SFS.format(""), "[file: summit.jpg]"),
        (SFS.format("") + body("a picture"), "a picture"),
        (SOURCES + "<attach-to id='m1' xmlns='urn:xmpp:message-attaching:1'/>", URL),
        (SIMS, URL),
        (SIMS + body("Look at the view."), f"Look at the view.\n{URL}"),
    ],
)
def test_a_file_is_an_address_once(inner: str, shown: str) -> None:
    assert readable(message(inner), known) == shown


SPOILER = "<spoiler xmlns='urn:xmpp:spoiler:0'>{}</spoiler>"
ATTENTION = "<attention xmlns='urn:xmpp:attention:0'/>"


@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        (SPOILER.format("Love end") + body("Both die!"), "[spoiler: Love end]\nBoth die!"),
        (SPOILER.format("") + body("Both die!"), "[spoiler]\nBoth die!"),
        (SPOILER.format("x\n" * 99) + body("y"), f"[spoiler: {('x ' * 30)[:59]}…]\ny"),
        (SPOILER.format("Love end"), ""),
        (SPOILER.format("") + body("Both live!") + FIX_M1, "* [spoiler]\nBoth live!"),
        (ATTENTION, "[buzz]"),
        (ATTENTION + body("Why don't you answer, Herbie?"), "Why don't you answer, Herbie?"),
        # XEP-0224 §4: what arrives late calls nobody.
        (ATTENTION + "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>", ""),
    ],
)
def test_spoilers_and_nudges(inner: str, shown: str) -> None:
    assert readable(message(inner), known) == shown


def test_the_body_in_the_language_of_the_stanza_is_told() -> None:
    bodies = "<body xml:lang='fr'>oui</body><body xml:lang='de'>ja</body>"
    assert readable(message(bodies, "xml:lang='de'")) == "ja"
    assert readable(message(bodies)) == "oui"
    hints = SPOILER.replace(" x", " xml:lang='fr' x").format("fin") + SPOILER.replace(
        " x", " xml:lang='de' x"
    ).format("Ende")
    assert readable(message(bodies + hints, "xml:lang='de'")) == "[spoiler: Ende]\nja"


@pytest.mark.parametrize(
    ("inner", "own"),
    [
        (body(REPLY_BODY) + TO_M1 + fallback_for(replies.NS, 0, 38), "Great idea!"),
        (body("wherefore") + FIX_M1, "wherefore"),
        (body("a picture") + OOB, f"a picture\n{URL}"),
        (SPOILER.format("x") + body("y"), "y"),
        (TO_M1 + OOB, URL),
    ],
)
def test_what_is_remembered_of_a_message_is_its_senders_own(inner: str, own: str) -> None:
    assert said(message(inner)) == own


@pytest.mark.parametrize(
    ("attributes", "inner", "ids"),
    [
        ("id='a'", "", ["a"]),
        ("", "", []),
        ("id='a'", "<origin-id xmlns='urn:xmpp:sid:0' id='a'/>", ["a"]),
        ("id='a'", "<origin-id xmlns='urn:xmpp:sid:0' id='b'/>" + FIX_M1, ["a", "b", "m1"]),
        (f"id='{'a' * 129}'", "", []),
    ],
)
def test_ids_that_a_message_is_known_by(attributes: str, inner: str, ids: list[str]) -> None:
    assert known_as(message(inner, attributes)) == ids


FORWARDED = (
    "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>"
    "<body>words of another</body></message></forwarded>"
)


@pytest.mark.parametrize(
    ("inner", "held"),
    [
        (f"<sent xmlns='urn:xmpp:carbons:2'>{FORWARDED}</sent>", True),
        (f"<received xmlns='urn:xmpp:carbons:2'>{FORWARDED}</received>", True),
        (f"<result xmlns='urn:xmpp:mam:2' id='1'>{FORWARDED}</result>", True),
        (FORWARDED, True),
        (FORWARDED + body("mine"), False),
        (body("mine"), False),
        ("", False),
    ],
)
def test_a_message_inside_a_message_is_never_told(inner: str, held: bool) -> None:
    for more in ("", TO_M1, OOB):
        found = message(inner + more)
        assert "words of another" not in readable(found, known)
    assert bool(withheld(message(inner))) is held


# Hostile


def spans(count: int) -> list[Element]:
    return [
        Element(fallback.BODY, {"start": str(3 * each), "end": str(3 * each + 1)})
        for each in range(count)
    ]


def test_ten_thousand_of_anything_are_few() -> None:
    def crowd(*inner: Element) -> Element:
        return Element(MESSAGE, None, [Element(BODY, None, ("hello " * 5000,)), *inner])

    reply = Element(replies.REPLY, {"id": "m1"})
    marked = Element(fallback.FALLBACK, {"for": replies.NS}, spans(10_000))
    assert len(readable(crowd(reply, marked), known)) >= 29_000
    emoji = [Element(reactions.REACTION, None, (f"{each}👍",)) for each in range(10_000)]
    there = Element(MESSAGE, None, [Element(reactions.REACTIONS, {"id": "m1"}, emoji)])
    assert len(readable(there, known)) < 200
    url = "{jabber:x:oob}url"
    oobs = [
        Element("{jabber:x:oob}x", None, [Element(url, None, (f"https://h/{each}/",))])
        for each in range(10_000)
    ]
    assert len(readable(Element(MESSAGE, None, oobs)).split("\n")) == MOST_URLS


NUMBERS = st.integers(-5, 90).map(str) | st.text(max_size=3)


@given(st.text(max_size=80), st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4), st.text())
def test_no_word_of_a_reply_is_lost(text: str, parts: list[tuple[str, str]], quoted: str) -> None:
    """Whatever the ranges are, what is outside of them is told as it is written."""
    bodies = [Element(fallback.BODY, {"start": start, "end": end}) for start, end in parts]
    inside = [
        Element(BODY, None, (text,)),
        Element(replies.REPLY, {"id": "x"}),
        Element(fallback.FALLBACK, {"for": replies.NS}, bodies or [Element(fallback.SUBJECT)]),
    ]
    stanza = Element(MESSAGE, None, inside)
    shown, own = readable(stanza, lambda _: quoted), said(stanza)
    assert shown.endswith(own)
    for each in shown.removesuffix(own).splitlines():
        assert each == line(each)
        assert len(each) <= LONGEST + 2
