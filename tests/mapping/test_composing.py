"""isComposing documents by the examples of RFC 3994, and both tables of RFC 7573 §6."""

import pytest

from dragoman.errors import RemoteError
from dragoman.mapping.composing import (
    CHAT_STATES,
    COMPOSERS,
    LARGEST,
    LONGEST_REFRESH,
    MEDIA_TYPE,
    NS,
    Composer,
    IsComposing,
    notification,
)
from dragoman.xmpp.ext import chatstates
from dragoman.xmpp.ext.chatstates import State
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.parser import parse_document

OPENING = """<?xml version="1.0" encoding="UTF-8"?>
<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
xsi:schemaLocation="urn:ietf:params:xml:ns:im-composing
iscomposing.xsd">
"""
WRITING = f"""{OPENING}  <state>active</state>
  <contenttype>text/plain</contenttype>
  <refresh>90</refresh>
</isComposing>
"""
RESTING = f"""{OPENING}  <state>idle</state>
  <lastactive>2003-01-27T10:43:00Z</lastactive>
  <contenttype>audio</contenttype>
</isComposing>
"""
ACTIVE, IDLE = Composer.ACTIVE, Composer.IDLE


def inside(children: str) -> IsComposing:
    return IsComposing.parse(f"<isComposing xmlns='{NS}'>{children}</isComposing>".encode())


@pytest.mark.parametrize(
    ("example", "status"),
    [
        (WRITING, IsComposing(ACTIVE, 90, "text/plain")),
        (RESTING, IsComposing(IDLE, None, "audio", 1043664180)),
    ],
)
def test_the_examples_of_the_standard(example: str, status: IsComposing) -> None:
    assert IsComposing.parse(example.encode()) == status


def test_a_document_has_its_elements_in_the_order_of_the_schema() -> None:
    assert MEDIA_TYPE == "application/im-iscomposing+xml"
    assert IsComposing(ACTIVE, 90, "text/plain", 1043664180).encode() == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b"<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state>"
        b"<lastactive>2003-01-27T10:43:00Z</lastactive><contenttype>text/plain</contenttype>"
        b"<refresh>90</refresh></isComposing>"
    )


@pytest.mark.parametrize(
    "status",
    [
        IsComposing(IDLE),
        IsComposing(ACTIVE),
        IsComposing(ACTIVE, 1),
        IsComposing(ACTIVE, LONGEST_REFRESH, "text/plain", 0),
        IsComposing(IDLE, None, "a&b <c>"),
    ],
)
def test_what_is_printed_reads_alike(status: IsComposing) -> None:
    assert IsComposing.parse(status.encode()) == status


@pytest.mark.spec("IM-18")
@pytest.mark.parametrize(
    ("token", "state"),
    [
        ("active", ACTIVE),
        (" active\n", ACTIVE),
        ("idle", IDLE),
        ("sleeping", IDLE),
        ("Active", IDLE),
        ("", IDLE),
    ],
)
def test_every_state_but_active_is_idle(token: str, state: Composer) -> None:
    assert inside(f"<state>{token}</state>").state is state


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("60", 60),
        ("1", 1),
        (" 90 ", 90),
        ("+090", 90),
        ("599", 599),
        ("600", 600),
        ("601", LONGEST_REFRESH),
        ("9" * 5000, LONGEST_REFRESH),
        ("0" * 5000 + "7", 7),
        ("0", None),
        ("-60", None),
        ("60.5", None),
        ("++6", None),
        ("٣", None),
        ("²", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_refresh_is_a_positive_number_within_reason(written: str, seconds: int | None) -> None:
    assert inside(f"<state>active</state><refresh>{written}</refresh>").refresh == seconds


@pytest.mark.spec("IM-20")
def test_without_a_refresh_a_state_lives_two_minutes() -> None:
    assert IsComposing(ACTIVE).lifetime == 120
    assert IsComposing(ACTIVE, 75).lifetime == 75


@pytest.mark.spec("IM-18")
@pytest.mark.parametrize(
    "children",
    [
        "<x:state xmlns:x='urn:x'>active</x:state><state>idle</state>",
        "<state>idle</state><state>active</state>",
        "<state>idle</state><mood>merry</mood><x:y xmlns:x='urn:x'><state>active</state></x:y>",
        "talk<state>idle</state><refresh>soon</refresh><lastactive>now</lastactive>",
        f"<state>idle</state><contenttype>{'a' * 256}</contenttype>",
        "<state>idle</state><lastactive>2003-01-27T10:43:00</lastactive>",
        "<state a='b'>idle</state><x:refresh xmlns:x='urn:x'>9</x:refresh>",
    ],
)
def test_what_is_unknown_or_illegible_is_ignored(children: str) -> None:
    assert inside(children) == IsComposing(IDLE)


STATE = "<state>idle</state>"


@pytest.mark.parametrize(
    "data",
    [
        "",
        "active",
        f"<isComposing xmlns='{NS}'>{STATE}",
        f"<isComposing xmlns='{NS}'/>",
        f"<isComposing xmlns='{NS}'><refresh>60</refresh></isComposing>",
        f"<isComposing>{STATE}</isComposing>",
        f"<iscomposing xmlns='{NS}'>{STATE}</iscomposing>",
        f"<isComposing xmlns='urn:ietf:params:xml:ns:im-composing'>{STATE}</isComposing>",
        f"<!DOCTYPE a><isComposing xmlns='{NS}'>{STATE}</isComposing>",
        f"<isComposing xmlns='{NS}'>{STATE}<!-- a --></isComposing>",
        f"<isComposing xmlns='{NS}'>{STATE}</isComposing><a/>",
        f"<a xmlns='{NS}'><isComposing>{STATE}</isComposing></a>",
    ],
)
def test_what_is_no_isComposing_document_is_refused(data: str) -> None:  # noqa: N802
    with pytest.raises(RemoteError):
        IsComposing.parse(data.encode())


def test_a_document_is_bounded() -> None:
    whole = IsComposing(ACTIVE).encode()
    assert IsComposing.parse(whole + b" " * (LARGEST - len(whole))) == IsComposing(ACTIVE)
    with pytest.raises(RemoteError):
        IsComposing.parse(whole + b" " * (LARGEST + 1 - len(whole)))


@pytest.mark.spec("IM-18")
def test_table_3_of_rfc_7573() -> None:
    assert CHAT_STATES == {ACTIVE: State.COMPOSING, IDLE: State.ACTIVE}


@pytest.mark.spec("IM-18")
def test_table_4_of_rfc_7573() -> None:
    assert COMPOSERS == {
        State.ACTIVE: IDLE,
        State.INACTIVE: IDLE,
        State.GONE: None,
        State.COMPOSING: ACTIVE,
        State.PAUSED: IDLE,
    }


ROMEO, JULIET = Jid.parse("romeo@example.net"), Jid.parse("juliet@example.com")


def test_the_notification_of_example_22_of_rfc_7573() -> None:
    thread = "F6989A8C-DE8A-4E21-8E07-F0898304796F"
    expected = f"""<message xmlns='jabber:client' from='romeo@example.net' id='hs61v397'
        to='juliet@example.com' type='chat'><thread>{thread}</thread
        ><gone xmlns='http://jabber.org/protocol/chatstates'/></message>"""
    found = notification(State.GONE, ROMEO, JULIET, thread, "hs61v397")
    assert found == parse_document(expected.encode())


def test_a_notification_without_a_thread_has_the_state_alone() -> None:
    found = notification(State.PAUSED, ROMEO, JULIET, "", "a")
    assert found.children == [chatstates.element(State.PAUSED)]
