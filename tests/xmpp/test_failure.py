"""Stream and stanza errors (RFC 6120 §4.9, §8.3)."""

import pytest

from dragoman.errors import RemoteError
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import (
    DEFAULT_TYPE,
    STANZA_ERRORS,
    STREAM_ERRORS,
    Condition,
    ErrorType,
    StanzaError,
    StreamCondition,
    StreamError,
)
from dragoman.xmpp.parser import parse_document


def stanza_error(inside: str, attributes: str = "type='wait'") -> Element:
    text = f"<error xmlns='jabber:client' {attributes}>{inside}</error>"
    return parse_document(text.replace("NS", f"xmlns='{STANZA_ERRORS}'").encode())


@pytest.mark.parametrize("condition", StreamCondition)
def test_stream_error_is_read_as_it_was_written(condition: StreamCondition) -> None:
    error = StreamError(condition, "because")
    element = error.element()
    assert element.name == "{http://etherx.jabber.org/streams}error"
    assert [child.name for child in element.elements] == [
        f"{{{STREAM_ERRORS}}}{condition}",
        f"{{{STREAM_ERRORS}}}text",
    ]
    read = StreamError.parse(element)
    assert (read.condition, read.text, read.host) == (condition, "because", "")
    assert isinstance(read, RemoteError)


def test_see_other_host_names_the_host() -> None:
    moved = StreamError(StreamCondition.SEE_OTHER_HOST, host="[2001:41D0:1:A49b::1]:9222")
    assert StreamError.parse(moved.element()).host == "[2001:41D0:1:A49b::1]:9222"


def test_unknown_stream_condition_is_undefined() -> None:
    error = Element("error", None, [Element(f"{{{STREAM_ERRORS}}}tired")])
    assert StreamError.parse(error).condition is StreamCondition.UNDEFINED_CONDITION
    assert StreamError.parse(Element("error")).condition is StreamCondition.UNDEFINED_CONDITION


@pytest.mark.parametrize("condition", Condition)
def test_stanza_error_is_read_as_it_was_written(condition: Condition) -> None:
    read = StanzaError.parse(
        StanzaError(condition, text="pourquoi", lang="fr", by="example.net").element()
    )
    assert (read.condition, read.kind) == (condition, DEFAULT_TYPE[condition])
    assert (read.text, read.lang, read.by, read.address) == ("pourquoi", "fr", "example.net", "")
    assert read.application is None


@pytest.mark.parametrize("condition", [Condition.GONE, Condition.REDIRECT])
def test_new_address_is_carried(condition: Condition) -> None:
    error = StanzaError(condition, address="xmpp:romeo@afterlife.example.net")
    assert StanzaError.parse(error.element()).address == "xmpp:romeo@afterlife.example.net"


def test_standard_example_with_white_space() -> None:
    read = StanzaError.parse(
        stanza_error("<gone NS>\n xmpp:romeo@afterlife.example.net\n</gone>", "type='cancel'")
    )
    assert read.address == "xmpp:romeo@afterlife.example.net"


@pytest.mark.parametrize(
    ("inside", "attributes", "condition", "kind"),
    [
        ("<tired NS/>", "type='wait'", Condition.UNDEFINED_CONDITION, ErrorType.WAIT),
        ("<forbidden NS/>", "", Condition.FORBIDDEN, ErrorType.AUTH),
        ("<forbidden NS/>", "type='odd'", Condition.FORBIDDEN, ErrorType.AUTH),
        ("", "code='404'", Condition.UNDEFINED_CONDITION, ErrorType.CANCEL),
        ("<text NS>x</text><conflict NS/>", "", Condition.CONFLICT, ErrorType.CANCEL),
        ("<conflict/>", "", Condition.UNDEFINED_CONDITION, ErrorType.CANCEL),
    ],
)
def test_odd_errors_are_tolerated(
    inside: str, attributes: str, condition: Condition, kind: ErrorType
) -> None:
    read = StanzaError.parse(stanza_error(inside, attributes))
    assert (read.condition, read.kind) == (condition, kind)


def test_error_is_found_inside_a_stanza() -> None:
    error = StanzaError(Condition.CONFLICT, ErrorType.MODIFY)
    stanza = Element("{jabber:client}message", {"type": "error"}, [error.element()])
    read = StanzaError.parse(stanza)
    assert (read.condition, read.kind) == (Condition.CONFLICT, ErrorType.MODIFY)
    without = Element("{jabber:client}message", {"type": "error"})
    assert StanzaError.parse(without).condition is Condition.UNDEFINED_CONDITION


def test_application_condition_is_kept() -> None:
    own = Element("{http://example.org/ns}too-many-parameters")
    read = StanzaError.parse(StanzaError(Condition.BAD_REQUEST, application=own).element())
    assert read.application == own


def test_reason_is_one_short_line() -> None:
    reason = StanzaError(Condition.CONFLICT, text="a\r\nb\n" + "c" * 1000).reason
    assert reason.startswith("conflict: a b c")
    assert len(reason) == 256


def test_every_condition_has_a_type() -> None:
    assert set(DEFAULT_TYPE) == set(Condition)
