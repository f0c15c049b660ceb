"""Messages of a session, as the far end takes them (RFC 7573, RFC 4975 §8.6)."""

from dataclasses import dataclass

import pytest

from dragoman.mapping.chat import Form, form, identifier, ready, said
from dragoman.msrp.cpim import Cpim
from dragoman.sip.message import Request, build_request
from dragoman.sip.uri import Uri

ROMEO = "<sip:romeo@example.net;gr=orchard>;tag=1"


@dataclass(frozen=True)
class Types:
    top: tuple[str, ...]
    within: tuple[str, ...] = ()

    def accepts(self, media: str) -> bool:
        return media in self.top

    def wraps(self, media: str) -> bool:
        return media in self.within


def letter(text: str, media: str = "text/plain;charset=UTF-8", **more: str) -> Request:
    headers = [("From", ROMEO), ("To", "<sip:juliet@example.com>"), *more.items()]
    headers.append(("Content-Type", media))
    return build_request("MESSAGE", "sip:juliet@example.com", headers, text.encode())


def made(letters: list[Request], takes: Types, *, displayed: bool = False) -> Form | None:
    return form(letters, takes, message_id="m1", displayed=displayed, sent=0.0)


def test_a_plain_text_goes_as_it_is() -> None:
    found = made(
        [letter("Art thou not Romeo?")], Types(("text/plain", "message/cpim"), ("text/plain",))
    )
    assert found == Form("text/plain;charset=UTF-8", b"Art thou not Romeo?")


def test_the_richest_that_is_taken_goes() -> None:
    letters = [letter("<b>hi</b>", "text/html"), letter("hi")]
    assert made(letters, Types(("text/plain",))) == Form("text/plain;charset=UTF-8", b"hi")
    assert made(letters, Types(("text/plain", "text/html"))) == Form("text/html", b"<b>hi</b>")


@pytest.mark.spec("MSRP-23")
def test_what_is_not_listed_is_not_sent() -> None:
    assert made([letter("hi")], Types(("text/html",), ("text/plain",))) is None
    assert made([letter("hi")], Types(("message/cpim",), ("text/html",))) is None


def test_a_peer_that_takes_wrapped_text_only_gets_it_wrapped() -> None:
    found = made([letter("hi")], Types(("message/cpim",), ("text/plain",)))
    assert found is not None
    assert found.content_type == "message/cpim"
    wrapper = Cpim.parse(found.body)
    assert wrapper.content == b"hi"
    assert wrapper.get("From") == "<sip:romeo@example.net;gr=orchard>"
    assert wrapper.get("To") == "<sip:juliet@example.com>"
    assert [each.name for each in wrapper.headers] == ["From", "To", "DateTime"]


def test_a_subject_has_its_place_in_the_wrapper() -> None:
    both = Types(("message/cpim", "text/plain"), ("text/plain",))
    found = made([letter("hi", Subject="News")], both)
    assert found is not None
    assert Cpim.parse(found.body).get("Subject") == "News"
    bare = made([letter("hi", Subject="News")], Types(("text/plain",)))
    assert bare == Form("text/plain;charset=UTF-8", b"hi")
    assert made([letter("News", Subject="News")], both) == Form("text/plain;charset=UTF-8", b"News")


def test_a_date_has_its_place_in_the_wrapper() -> None:
    both = Types(("message/cpim", "text/plain"), ("text/plain",))
    found = made([letter("hi", Date="Sat, 13 Nov 2010 23:29:00 GMT")], both)
    assert found is not None
    assert Cpim.parse(found.body).get("DateTime") == "2010-11-13T23:29:00Z"


def test_who_wants_to_hear_that_it_was_displayed_says_so_in_the_wrapper() -> None:
    both = Types(("message/cpim", "text/plain"), ("text/plain",))
    found = made([letter("hi")], both, displayed=True)
    assert found is not None
    wrapper = Cpim.parse(found.body)
    namespace = "urn:ietf:params:imdn"
    assert wrapper.get("Message-ID", namespace) == "m1"
    assert wrapper.get("Disposition-Notification", namespace) == "display"


def test_a_status_goes_bare_where_that_is_taken_and_else_wrapped() -> None:
    media = "application/im-iscomposing+xml"
    status = letter("<isComposing/>", media)
    assert ready(status, Types((media,)), sent=0.0) == Form(media, b"<isComposing/>")
    found = ready(status, Types(("message/cpim",), (media,)), sent=0.0)
    assert found is not None
    assert Cpim.parse(found.body).content == b"<isComposing/>"
    assert ready(status, Types(("text/plain",)), sent=0.0) is None


def test_a_notification_stays_in_its_wrapper() -> None:
    body = "From: <sip:a@b>\r\n\r\nContent-Type: message/imdn+xml\r\n\r\n<imdn/>"
    notification = letter(body, "message/cpim")
    taken = Types(("message/cpim",), ("message/imdn+xml",))
    assert ready(notification, taken, sent=0.0) == Form(
        "message/cpim", body.encode(), "message/imdn+xml"
    )
    assert ready(notification, Types(("message/cpim",), ("text/plain",)), sent=0.0) is None


def test_a_message_of_a_session_is_a_message_to_the_user_in_its_call_id() -> None:
    sender, target = (
        Uri.parse("sip:romeo@example.net;gr=x"),
        Uri.parse("sip:juliet@example.com;gr=y"),
    )
    found = said("text/plain", b"hi", sender=sender, target=target, call_id="c1", left=70)
    assert (found.method, found.target) == ("MESSAGE", "sip:juliet@example.com")
    assert (found.call_id, found.max_forwards, found.body) == ("c1", 70, b"hi")
    assert str(found.from_.uri) == str(sender)


def test_a_message_id_names_the_stanza_where_it_can() -> None:
    assert identifier("1x2y") == "1x2y"
    assert identifier("x" * 65) == identifier("é") == identifier("") == ""
