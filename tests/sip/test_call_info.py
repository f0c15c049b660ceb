"""Call-Info (RFC 3261 §20.9): the standard's own example, and what strangers may write."""

import pytest

from dragoman.sip.call_info import LONGEST, MOST, CallInfo, read
from dragoman.sip.failure import SipError

PHOTO, PAGE = "http://wwww.example.com/alice/photo.jpg", "http://www.example.com/alice/"
EXAMPLE = f"<{PHOTO}> ;purpose=icon, <{PAGE}> ;purpose=info"


def test_the_example_of_the_standard() -> None:
    icon, info = read([EXAMPLE])
    assert (icon.uri, icon.purpose) == (PHOTO, "icon")
    assert (info.uri, info.purpose) == (PAGE, "info")


@pytest.mark.parametrize(
    ("text", "uri", "purpose"),
    [
        (f"<{PAGE}>", PAGE, ""),
        (f"<{PAGE}>;purpose=ICON", PAGE, "icon"),
        (f'<{PAGE}>;purpose="icon"', PAGE, "icon"),
        (f"<{PAGE}>;x;purpose=card;y=z", PAGE, "card"),
        ("<cid:photo@example.com>;purpose=icon", "cid:photo@example.com", "icon"),
        ("<data:image/png;base64,iVBO,x>;purpose=icon", "data:image/png;base64,iVBO,x", "icon"),
        (f"<{PAGE}?a,b>;purpose=info", f"{PAGE}?a,b", "info"),
    ],
)
def test_an_entry_is_read_and_printed(text: str, uri: str, purpose: str) -> None:
    found = CallInfo.parse(text)
    assert (found.uri, found.purpose) == (uri, purpose)
    assert CallInfo.parse(str(found)) == found
    assert read([text]) == [found]


@pytest.mark.parametrize(
    "text",
    [
        "",
        PAGE,
        "<>",
        "<a>",
        f"<{PAGE}",
        f"x<{PAGE}>",
        f'"x" <{PAGE}>',
        f"<{PAGE} x>",
        "<http:>",
        "<1http://a.example>",
        "<http://b\u00fccher.example>",
        f"<{PAGE}>purpose=icon",
        f"<{PAGE}>;=icon",
        f"<http://a.example/{'x' * LONGEST}>",
    ],
)
def test_what_is_malformed_is_refused_and_passed_over_in_a_list(text: str) -> None:
    with pytest.raises(SipError) as caught:
        CallInfo.parse(text)
    assert caught.value.status == 400
    assert [each.uri for each in read([text, f"<{PAGE}>"])] == [PAGE]


def test_a_line_that_cannot_be_cut_is_passed_over() -> None:
    assert [each.uri for each in read([f'<{PHOTO}>, "<{PAGE}>', f"<{PAGE}>"])] == [PAGE]


def test_no_more_than_so_many_entries_are_looked_at() -> None:
    line = ",".join(["<a:b>"] * (MOST * 2))
    assert len(read([line])) == MOST
    assert len(read([line, line])) == MOST
    assert len(read([f"<a:b>,{line}", "<c:d>"])) == MOST
