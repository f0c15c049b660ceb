"""Cards and pictures: XEP-0054, XEP-0153 and XEP-0084 by their own examples."""

import pytest

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import avatar
from dragoman.xmpp.ext.avatar import DATA, METADATA, Picture
from dragoman.xmpp.ext.vcard import vcard
from dragoman.xmpp.ext.vcard_avatar import update
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.parser import parse_document

PNG = Picture("image/png", b"not quite a picture")
TEXT = "bm90IHF1aXRlIGEgcGljdHVyZQ=="


def test_a_picture_is_named_by_its_data() -> None:
    assert PNG.id == "acdcba3f4bc5b6df1dcb2378910804b8a5826c06"
    assert PNG.base64 == TEXT


def parsed(text: str) -> Element:
    return parse_document(text.encode())


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (vcard("JeremieMiller"), "<FN>JeremieMiller</FN>"),
        (
            vcard("Jeremie", nickname="jer", url="http://a.example/"),
            "<FN>Jeremie</FN><NICKNAME>jer</NICKNAME><URL>http://a.example/</URL>",
        ),
        (
            vcard("Juliet", photo=Picture("image/jpeg", PNG.data)),
            f"<FN>Juliet</FN><PHOTO><TYPE>image/jpeg</TYPE><BINVAL>{TEXT}</BINVAL></PHOTO>",
        ),
    ],
)
def test_a_card(made: Element, text: str) -> None:
    assert made == parsed(f"<vCard xmlns='vcard-temp'>{text}</vCard>")


@pytest.mark.parametrize(
    ("photo", "text"),
    [
        (
            "01b87fcd030b72895ff8e88db57ec525450f000d",
            "<photo>01b87fcd030b72895ff8e88db57ec525450f000d</photo>",
        ),
        ("", "<photo/>"),
        (None, ""),
    ],
    ids=["a picture", "none", "nobody knows yet"],
)
def test_what_presence_tells_of_a_card(photo: str | None, text: str) -> None:
    assert update(photo) == parsed(f"<x xmlns='vcard-temp:x:update'>{text}</x>")


def asked(items: str) -> Element:
    return parsed(
        "<iq xmlns='jabber:client' type='get' from='romeo@montague.lit/home'"
        " to='juliet@capulet.lit' id='retrieve1'>"
        f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{items}</pubsub></iq>"
    )


def answered(items: str) -> Element:
    return parsed(
        "<iq xmlns='jabber:client' type='result' from='juliet@capulet.lit'"
        " to='romeo@montague.lit/home' id='retrieve1'>"
        f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{items}</pubsub></iq>"
    )


@pytest.mark.parametrize("which", ["", f"<item id='{PNG.id}'/>", f"<item/><item id='{PNG.id}'/>"])
def test_the_picture_of_whom_is_asked_about(which: str) -> None:
    data = f"<data xmlns='{DATA}'>{TEXT}</data>"
    items = f"<items node='{DATA}'><item id='{PNG.id}'>{data}</item></items>"
    assert avatar.answer(asked(f"<items node='{DATA}'>{which}</items>"), PNG) == answered(items)


def test_what_there_is_to_know_of_it() -> None:
    metadata = (
        f"<metadata xmlns='{METADATA}'><info bytes='19' id='{PNG.id}' type='image/png'/></metadata>"
    )
    items = f"<items node='{METADATA}'><item id='{PNG.id}'>{metadata}</item></items>"
    latest = f"<items node='{METADATA}' max_items='1'/>"
    assert avatar.answer(asked(latest), PNG) == answered(items)


@pytest.mark.parametrize(
    ("items", "picture", "condition"),
    [
        (f"<items node='{DATA}'/>", None, Condition.ITEM_NOT_FOUND),
        (f"<items node='{DATA}'><item id='x'/></items>", PNG, Condition.ITEM_NOT_FOUND),
        (f"<items node='{DATA}'/>", Picture("image/gif", b"GIF"), Condition.ITEM_NOT_FOUND),
        ("<items node='urn:xmpp:omemo:2:devices'/>", PNG, Condition.ITEM_NOT_FOUND),
        ("<items/>", PNG, Condition.ITEM_NOT_FOUND),
        ("<subscriptions/>", PNG, Condition.FEATURE_NOT_IMPLEMENTED),
        ("", PNG, Condition.FEATURE_NOT_IMPLEMENTED),
    ],
)
def test_what_is_not_there(items: str, picture: Picture | None, condition: Condition) -> None:
    with pytest.raises(StanzaError) as caught:
        avatar.answer(asked(items), picture)
    assert caught.value.condition is condition
