"""Jingle's requests (XEP-0166), by its own examples and what clients make of it."""

import pytest
from hypothesis import given, settings

from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.ext import jingle_errors
from dragoman.xmpp.ext.grouping import GROUP, MOST, Group
from dragoman.xmpp.ext.jingle import (
    CONTENT,
    JINGLE,
    MOST_CONTENTS,
    MOST_GROUPS,
    MOST_OTHERS,
    NS,
    REASON,
    Action,
    Content,
    Jingle,
    Reason,
    Why,
)
from dragoman.xmpp.ext.jingle_ice import Candidate, IceUdp
from dragoman.xmpp.ext.jingle_rtp import PayloadType, Rtp
from dragoman.xmpp.ext.raw_udp import RawCandidate, RawUdp
from dragoman.xmpp.ext.senders import Creator, Senders
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError
from dragoman.xmpp.parser import parse_document
from tests.xmpp.ext.jingles import JINGLES, SID, content, description, jingle, read, refused

ROMEO, JULIET = "romeo@montague.lit/orchard", "juliet@capulet.lit/balcony"

CODECS = """
<payload-type id='96' name='speex' clockrate='16000'/>
<payload-type id='97' name='speex' clockrate='8000'/>
<payload-type id='18' name='G729'/>
<payload-type id='0' name='PCMU' />
<payload-type id='103' name='L16' clockrate='16000' channels='2'/>
<payload-type id='98' name='x-ISAC' clockrate='8000'/>
"""
ICE = """
<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='asd88fgpdd777uzjYhagZg' ufrag='8hhy'>
  <candidate component='1' foundation='1' generation='0' id='el0747fg11' ip='10.0.1.1' network='1'
             port='8998' priority='2130706431' protocol='udp' type='host'/>
  <candidate component='1' foundation='2' generation='0' id='y3s2b30v3r' ip='192.0.2.3' network='1'
             port='45664' priority='1694498815' protocol='udp' rel-addr='10.0.1.1' rel-port='8998'
             type='srflx'/>
</transport>
"""
AUDIO = Rtp(
    "audio",
    (
        PayloadType(96, "speex", 16000),
        PayloadType(97, "speex", 8000),
        PayloadType(18, "G729"),
        PayloadType(0, "PCMU"),
        PayloadType(103, "L16", 16000, 2),
        PayloadType(98, "x-ISAC", 8000),
    ),
)
WAYS = IceUdp(
    "8hhy",
    "asd88fgpdd777uzjYhagZg",
    (
        Candidate(
            *("1", 1, "udp", 2130706431, "10.0.1.1", 8998, "host"), network=1, id="el0747fg11"
        ),
        Candidate(
            *("2", 1, "udp", 1694498815, "192.0.2.3", 45664, "srflx", ("10.0.1.1", 8998)),
            network=1,
            id="y3s2b30v3r",
        ),
    ),
)


def test_session_initiate_of_section_6() -> None:
    element = jingle(
        content(description(CODECS) + ICE),
        f"action='session-initiate' initiator='{ROMEO}' sid='{SID}'",
    )
    said = Jingle.parse(element)
    voice = Content("voice", description=AUDIO, transport=WAYS)
    assert said == Jingle(Action.SESSION_INITIATE, SID, (voice,), ROMEO)
    assert said.element() == element


def test_session_accept_of_section_6() -> None:
    element = jingle(
        content(
            "<description xmlns='urn:xmpp:jingle:apps:stub:0'/>"
            "<transport xmlns='urn:xmpp:jingle:transports:stub:0'/>"
            "<security xmlns='urn:xmpp:jingle:security:stub:0'/>"
        ),
        f"action='session-accept' responder='{JULIET}' sid='{SID}'",
    )
    said = Jingle.parse(element)
    (stub,) = said.contents
    assert (said.action, said.responder) == (Action.SESSION_ACCEPT, JULIET)
    assert stub.description == Element("{urn:xmpp:jingle:apps:stub:0}description")
    assert stub.transport == Element("{urn:xmpp:jingle:transports:stub:0}transport")
    assert Jingle.parse(said.element()) == said


def test_groups_of_xep_0338() -> None:
    element = jingle(
        "<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'>"
        "<content name='voice'/><content name='webcam'/></group>" + content()
    )
    said = Jingle.parse(element)
    assert said.groups == (Group("BUNDLE", ("voice", "webcam")),)
    assert said.contents == (Content("voice"),)
    assert said.info is None
    assert said.element() == element


@pytest.mark.parametrize("why", [each for each in Why if each is not Why.ALTERNATIVE_SESSION])
def test_reasons_of_section_7(why: Why) -> None:
    element = jingle(
        f"<reason><{why}/><text>Sorry, gotta go!</text></reason>",
        f"action='session-terminate' sid='{SID}'",
    )
    said = Jingle.parse(element)
    assert said.reason == Reason(why, "Sorry, gotta go!")
    assert said.element() == element


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (
            "<alternative-session><sid>b84tkkwlmb48kgfb</sid></alternative-session>",
            Reason(Why.ALTERNATIVE_SESSION, sid="b84tkkwlmb48kgfb"),
        ),
        (
            "<security-error/><crypto-required xmlns='urn:xmpp:jingle:apps:rtp:errors:1'/>",
            Reason(Why.SECURITY_ERROR, detail="{urn:xmpp:jingle:apps:rtp:errors:1}crypto-required"),
        ),
        (
            "<success/><transferred xmlns='urn:xmpp:jingle:transfer:0'/><text>done</text>",
            Reason(Why.SUCCESS, "done", detail="{urn:xmpp:jingle:transfer:0}transferred"),
        ),
        ("", Reason(Why.GENERAL_ERROR)),
        ("<text>why not</text>", Reason(Why.GENERAL_ERROR, "why not")),
        ("<bored/>", Reason(Why.GENERAL_ERROR, detail=f"{{{NS}}}bored")),
        ("<general-error/><bored/>", Reason(Why.GENERAL_ERROR, detail=f"{{{NS}}}bored")),
        ("<bored/><busy/>", Reason(Why.BUSY, detail=f"{{{NS}}}bored")),
    ],
)
def test_reasons_with_more_to_them(inner: str, reason: Reason) -> None:
    said = Reason.parse(read(f"<reason xmlns='{NS}'>{inner}</reason>"))
    assert said == reason
    assert Reason.parse(said.element()) == said


def test_a_reason_in_the_namespace_of_what_it_is_in() -> None:
    element = read("<reason xmlns='urn:xmpp:jingle-message:0'><busy/><text>not now</text></reason>")
    assert Reason.parse(element) == Reason(Why.BUSY, "not now")


def test_words_of_a_reason_are_cut() -> None:
    element = Element(REASON, None, [Element(f"{{{NS}}}text", None, ["a" * 100_000])])
    assert len(Reason.parse(element).text) == 1024


def test_what_a_session_info_is_about() -> None:
    element = jingle(
        "<ringing xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>",
        f"action='session-info' sid='{SID}'",
    )
    said = Jingle.parse(element)
    assert said.info == Element("{urn:xmpp:jingle:apps:rtp:info:1}ringing")
    assert said.element() == element


def test_an_empty_session_info_asks_whether_there_is_a_session() -> None:
    said = Jingle.parse(jingle("", f"action='session-info' sid='{SID}'"))
    assert said == Jingle(Action.SESSION_INFO, SID)


def test_elements_of_other_extensions_are_kept_in_order_up_to_a_bound() -> None:
    others = [Element(f"{{urn:example:{number}}}a") for number in range(MOST_OTHERS + 5)]
    element = Element(JINGLE, {"action": "session-info", "sid": SID}, others)
    said = Jingle.parse(element)
    assert [said.info, *said.others] == others[:MOST_OTHERS]
    assert said.element().elements == others[:MOST_OTHERS]


def test_raw_udp_of_xep_0177() -> None:
    element = jingle(
        content(
            "<transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'>"
            "<candidate component='1' generation='0' id='z7sdjb01hf' ip='208.68.163.214'"
            " port='9876'/>"
            "<candidate component='2' generation='0' id='hg92lsn10b' ip='208.68.163.214'"
            " port='9877'/></transport>"
        )
    )
    said = Jingle.parse(element)
    assert said.contents[0].transport == RawUdp(
        (
            RawCandidate(1, "208.68.163.214", 9876, 0, "z7sdjb01hf"),
            RawCandidate(2, "208.68.163.214", 9877, 0, "hg92lsn10b"),
        )
    )
    assert said.element() == element


def test_a_raw_candidate_without_component_as_in_xep_0176_section_6() -> None:
    element = read("<candidate generation='0' id='a9j3mnbtu1' ip='10.1.1.104' port='13540'/>")
    assert RawCandidate.parse(element) == RawCandidate(1, "10.1.1.104", 13540, 0, "a9j3mnbtu1")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("name='a'", Content("a")),
        ("name='a b'", Content("a b")),
        ("name='a' creator='responder'", Content("a", Creator.RESPONDER)),
        ("name='a' senders='none'", Content("a", senders=Senders.NONE)),
        ("name='a' senders=''", Content("a")),
        ("name='a' disposition='early-session'", Content("a", disposition="early-session")),
    ],
)
def test_what_a_content_leaves_out(attributes: str, expected: Content) -> None:
    said = Jingle.parse(jingle(content("", attributes))).contents
    assert said == (expected,)


@pytest.mark.parametrize(
    ("inner", "attributes"),
    [
        ("", ""),
        ("", "action='session-initiate'"),
        ("", "action='session-initiate' sid=''"),
        ("", f"sid='{SID}'"),
        ("", f"action='session-begin' sid='{SID}'"),
        ("", "action='session-initiate' sid='a&#10;b'"),
        ("", f"action='session-initiate' sid='{'a' * 5000}'"),
        ("", f"action='session-initiate' sid='{SID}' initiator='a&#10;b'"),
        ("", f"action='session-initiate' sid='{SID}' responder='a&#10;b'"),
        (content("", "creator='initiator'"), f"action='session-initiate' sid='{SID}'"),
        (content("", "name=''"), f"action='session-initiate' sid='{SID}'"),
        (content("", "name='a' creator='me'"), f"action='session-initiate' sid='{SID}'"),
        (content("", "name='a' senders='me'"), f"action='session-initiate' sid='{SID}'"),
        (content("", "name='a&#13;b'"), f"action='session-initiate' sid='{SID}'"),
        (content("", "name='a' disposition='b c'"), f"action='session-initiate' sid='{SID}'"),
        (content(description("", "")), f"action='session-initiate' sid='{SID}'"),
    ],
)
def test_what_cannot_be_read_is_a_bad_request(inner: str, attributes: str) -> None:
    element = jingle(inner, attributes)
    assert refused(lambda: Jingle.parse(element)) is Condition.BAD_REQUEST


@pytest.mark.parametrize(
    ("inner", "most"),
    [
        (content(), MOST_CONTENTS),
        ("<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='LS'/>", MOST_GROUPS),
    ],
)
def test_too_much_is_refused(inner: str, most: int) -> None:
    Jingle.parse(jingle(inner * most))
    many = jingle(inner * (most + 1))
    assert refused(lambda: Jingle.parse(many)) is Condition.RESOURCE_CONSTRAINT


def test_too_large_a_group_is_refused() -> None:
    one = Element("{urn:xmpp:jingle:apps:grouping:0}content", {"name": "a"})
    Group.parse(Element(GROUP, {"semantics": "LS"}, [one] * MOST))
    many = Element(GROUP, {"semantics": "LS"}, [one] * (MOST + 1))
    assert refused(lambda: Group.parse(many)) is Condition.RESOURCE_CONSTRAINT


@settings(max_examples=50)
@given(JINGLES)
def test_what_is_printed_reads_alike(said: Jingle) -> None:
    element = said.element()
    assert Jingle.parse(element) == said
    assert parse_document(to_xml(element).encode()) == element


@pytest.mark.parametrize(
    ("error", "condition", "kind", "detail"),
    [
        (
            jingle_errors.out_of_order(),
            Condition.UNEXPECTED_REQUEST,
            ErrorType.WAIT,
            "out-of-order",
        ),
        (jingle_errors.tie_break(), Condition.CONFLICT, ErrorType.CANCEL, "tie-break"),
        (
            jingle_errors.unknown_session(),
            Condition.ITEM_NOT_FOUND,
            ErrorType.CANCEL,
            "unknown-session",
        ),
        (
            jingle_errors.unsupported_info(),
            Condition.FEATURE_NOT_IMPLEMENTED,
            ErrorType.MODIFY,
            "unsupported-info",
        ),
        (
            jingle_errors.security_required(),
            Condition.NOT_ACCEPTABLE,
            ErrorType.CANCEL,
            "security-required",
        ),
    ],
)
def test_errors_of_section_10(
    error: StanzaError, condition: Condition, kind: ErrorType, detail: str
) -> None:
    again = StanzaError.parse(error.element())
    assert (again.condition, again.kind) == (condition, kind)
    assert again.application == Element(f"{{urn:xmpp:jingle:errors:1}}{detail}")
    assert jingle_errors.says(again, detail)
    assert not jingle_errors.says(again, "elsewhere")


def test_other_errors_say_nothing_of_jingle() -> None:
    assert not jingle_errors.says(None, "tie-break")
    assert not jingle_errors.says(StanzaError(Condition.CONFLICT), "tie-break")
    strange = StanzaError(Condition.CONFLICT, application=Element("{urn:example}tie-break"))
    assert not jingle_errors.says(strange, "tie-break")


def test_content_is_read_alone_as_well() -> None:
    element = jingle(content()).find(CONTENT)
    assert element is not None
    assert Content.parse(element) == Content("voice")
