"""Jingle Message Initiation (XEP-0353), by its own examples."""

import pytest
from hypothesis import given, settings

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import Reason, Why
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.jmi import MOST, NS, Initiation, Step, carrier, initiation
from dragoman.xmpp.failure import Condition
from tests.xmpp.ext.jingles import INITIATIONS, description, read, refused

ROMEO, JULIET = "romeo@montague.example/orchard", "juliet@capulet.example"
ID, NEXT = "ca3cf894-5325-482f-a412-a6e9f832298d", "989a46a6-f202-4910-a7c3-83c6ba3f3947"


def message(step: str, inner: str = "") -> Element:
    return read(
        f"<message xmlns='jabber:client' from='{ROMEO}' to='{JULIET}' type='chat'>"
        f"<{step} xmlns='{NS}' id='{ID}'>{inner}</{step}><store xmlns='urn:xmpp:hints'/></message>"
    )


def reason(inner: str) -> str:
    return f"<reason xmlns='urn:xmpp:jingle:1'>{inner}</reason>"


@pytest.mark.spec("MED-24")
@pytest.mark.parametrize(
    ("element", "expected"),
    [
        (message("propose", description()), Initiation(Step.PROPOSE, ID, (Rtp("audio"),))),
        (
            message("propose", description() + description("", "media='video'")),
            Initiation(Step.PROPOSE, ID, (Rtp("audio"), Rtp("video"))),
        ),
        (message("ringing"), Initiation(Step.RINGING, ID)),
        (message("proceed"), Initiation(Step.PROCEED, ID)),
        (message("accept"), Initiation(Step.ACCEPT, ID)),
        (
            message("retract", reason("<cancel/><text>Retracted</text>")),
            Initiation(Step.RETRACT, ID, reason=Reason(Why.CANCEL, "Retracted")),
        ),
        (
            message("reject", reason("<busy/><text>Busy</text>")),
            Initiation(Step.REJECT, ID, reason=Reason(Why.BUSY, "Busy")),
        ),
        (
            message("reject", reason("<expired/><text>Tie-Break</text>") + "<tie-break/>"),
            Initiation(Step.REJECT, ID, (), Reason(Why.EXPIRED, "Tie-Break"), tie_break=True),
        ),
        (
            message("finish", reason("<success/><text>Success</text>")),
            Initiation(Step.FINISH, ID, reason=Reason(Why.SUCCESS, "Success")),
        ),
        (
            message(
                "finish",
                reason("<expired/><text>Session migrated</text>") + f"<migrated to='{NEXT}'/>",
            ),
            Initiation(
                Step.FINISH, ID, reason=Reason(Why.EXPIRED, "Session migrated"), migrated=NEXT
            ),
        ),
    ],
)
def test_messages_of_section_3(element: Element, expected: Initiation) -> None:
    assert initiation(element) == expected
    assert carrier(JULIET, ROMEO, expected) == element


def test_a_message_may_have_an_id() -> None:
    assert carrier(JULIET, ROMEO, Initiation(Step.RINGING, ID), "m1").get("id") == "m1"


@pytest.mark.parametrize("inner", ["<busy/>", "<busy xmlns='urn:xmpp:jingle:1'/>"])
def test_a_reason_that_forgot_its_namespace(inner: str) -> None:
    found = initiation(message("reject", f"<reason>{inner}</reason>"))
    assert found == Initiation(Step.REJECT, ID, reason=Reason(Why.BUSY))


def test_descriptions_of_something_else_are_passed_over() -> None:
    file = "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'/>"
    assert initiation(message("propose", file)) == Initiation(Step.PROPOSE, ID)


@pytest.mark.parametrize("step", ["maybe", "Propose", "body"])
def test_a_message_that_says_nothing_of_a_call(step: str) -> None:
    assert initiation(message(step)) is None
    assert refused(lambda: Initiation.parse(Element(f"{{{NS}}}{step}"))) is Condition.BAD_REQUEST


@pytest.mark.parametrize("id_", ["", "a\nb", "a" * 5000])
def test_a_call_has_an_id(id_: str) -> None:
    element = Element(f"{{{NS}}}ringing", {"id": id_})
    assert refused(lambda: Initiation.parse(element)) is Condition.BAD_REQUEST


def test_too_many_media_are_refused() -> None:
    assert initiation(message("propose", description() * MOST)) is not None
    many = message("propose", description() * (MOST + 1))
    assert refused(lambda: initiation(many)) is Condition.RESOURCE_CONSTRAINT


@settings(max_examples=25)
@given(INITIATIONS)
def test_what_is_printed_reads_alike(said: Initiation) -> None:
    assert Initiation.parse(said.element()) == said
    assert initiation(carrier(JULIET, ROMEO, said)) == said
