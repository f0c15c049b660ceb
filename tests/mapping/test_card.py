"""Cards of SIP users: what a request says of its sender, and what is a picture."""

import pytest

from dragoman.errors import RemoteError
from dragoman.mapping.card import LARGEST, LONGEST_NAME, LONGEST_URL, Card, card, picture, said_in
from dragoman.xmpp.ext.avatar import Picture
from dragoman.xmpp.ext.vcard import vcard

PHOTO, PAGE = "http://wwww.example.com/alice/photo.jpg", "http://www.example.com/alice/"
EXAMPLE = f"<{PHOTO}> ;purpose=icon, <{PAGE}> ;purpose=info"
PNG = b"\x89PNG\r\n\x1a\nrest"


@pytest.mark.parametrize(
    ("name", "lines", "told"),
    [
        ("Alice", [EXAMPLE], Card("Alice", PHOTO, PAGE)),
        ("", [EXAMPLE], Card("", PHOTO, PAGE)),
        ("Alice", [], Card("Alice")),
        ("", [], Card()),
        ("", [f"<{PHOTO}>;purpose=card, <{PAGE}>"], Card()),
        ("", [f"<{PHOTO}>;purpose=icon", f"<{PAGE}>;purpose=icon"], Card("", PHOTO)),
        ("", [f"<data:,x>;purpose=icon, <{PHOTO}>;purpose=icon"], Card("", PHOTO)),
        ("", ["<javascript:alert(1)>;purpose=info, <sip:a@b>;purpose=icon"], Card()),
        ("", ["<HTTPS://a.example/>;purpose=icon"], Card("", "HTTPS://a.example/")),
        ("", [f"<{PHOTO}>;purpose=icon, <{PAGE}"], Card()),
    ],
)
def test_what_a_request_says_of_its_sender(name: str, lines: list[str], told: Card) -> None:
    assert said_in(name, lines) == told


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  Alice \t B.\r\n", "Alice B."),
        ("Alice\u202egnp.exe", "Alicegnp.exe"),
        ("a" * 200, "a" * (LONGEST_NAME - 1) + "\u2026"),
    ],
)
def test_a_name_is_one_short_line_that_turns_nothing_around(name: str, shown: str) -> None:
    assert card(name).name == shown


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/ x",
        "https://b\u00fccher.example/",
        "https://a.example/\n",
        f"https://a.example/{'x' * LONGEST_URL}",
        "ftp://a.example/",
        "//a.example/",
    ],
)
def test_a_url_that_is_none_of_a_web_page_is_left_out(url: str) -> None:
    assert card("", url, url) == Card()


def test_what_is_not_spoken_of_stays() -> None:
    assert Card("A", "i", "p").and_then(Card("B")) == Card("B", "i", "p")
    assert Card("A", "i", "p").and_then(Card("", "j", "q")) == Card("A", "j", "q")


def test_a_card_on_xmpp() -> None:
    png = Picture("image/png", PNG)
    told = Card("Alice", PHOTO, PAGE).element("alice@a.example", png)
    assert told == vcard("Alice", nickname="Alice", url=PAGE, photo=png)
    assert Card("", PHOTO).element("alice@a.example", None) == vcard("alice@a.example")


@pytest.mark.parametrize(
    ("data", "type_"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a...", "image/gif"),
        (b"GIF89a...", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_a_picture_is_known_by_its_beginning(data: bytes, type_: str) -> None:
    assert picture(data) == Picture(type_, data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html>",
        b" " + PNG,
        b"RIFF\0\0\0\0WAVE",
        PNG.ljust(LARGEST + 1),
    ],
)
def test_anything_else_is_no_picture(data: bytes) -> None:
    with pytest.raises(RemoteError):
        picture(data)


def test_the_largest_picture() -> None:
    assert len(picture(PNG.ljust(LARGEST)).data) == LARGEST
