"""RFC 3261 §12: dialogs."""

import pytest

from dragoman.errors import LocalError
from dragoman.sip.dialog import Dialog, ends_of
from dragoman.sip.failure import SipError
from dragoman.sip.message import Request, parse, response_to

SUBSCRIBE = (
    b"SUBSCRIBE sip:juliet@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP watcherhost.example.net;branch=z9hG4bKnashds7\r\n"
    b"Record-Route: <sip:p2.example.net;lr>,<sip:p1.example.net;lr>\r\n"
    b'From: "Romeo \\"M.\\"" <sip:romeo@example.net>;tag=xfg9\r\n'
    b"To: <sip:juliet@example.com>\r\n"
    b"Call-ID: 2010@watcherhost.example.net\r\n"
    b"CSeq: 17766 SUBSCRIBE\r\n"
    b"Max-Forwards: 70\r\n"
    b"Contact: <sip:romeo@watcherhost.example.net;gr=dr4hcr0st3lup4c?x=y>\r\n"
    b"Content-Length: 0\r\n\r\n"
)
US = "<sip:juliet@example.com;gr=balcony>"


def request_of(data: bytes) -> Request:
    """Read a request."""
    found = parse(data)
    assert isinstance(found, Request)
    return found


def uas() -> Dialog:
    """Return the dialog that SUBSCRIBE begins with us."""
    return Dialog.of_uas(request_of(SUBSCRIBE), "yt66", US)


def test_a_uas_takes_the_route_as_it_came() -> None:
    """§12.1.1: the first Record-Route is the first hop."""
    dialog = uas()
    assert [str(each.uri) for each in dialog.route_set.hops] == [
        "sip:p2.example.net;lr",
        "sip:p1.example.net;lr",
    ]
    assert dialog.key == ("2010@watcherhost.example.net", "yt66", "xfg9")
    assert (dialog.local_cseq, dialog.remote_cseq) == (0, 17766)


def test_a_request_within_it_goes_to_the_contact() -> None:
    """§12.2.1.1: Request-URI, From and To with their tags, a number that rises by one."""
    dialog, notify = uas().request("NOTIFY", [("Event", "presence")], b"x")
    assert notify.target == "sip:romeo@watcherhost.example.net;gr=dr4hcr0st3lup4c"
    assert notify.get("From") == "<sip:juliet@example.com>;tag=yt66"
    assert notify.get("To") == '"Romeo \\"M.\\"" <sip:romeo@example.net>;tag=xfg9'
    assert notify.get("Contact") == US
    assert (notify.get("CSeq"), notify.get("Event"), notify.body) == (
        "1 NOTIFY",
        "presence",
        b"x",
    )
    assert dialog.request("NOTIFY")[1].get("CSeq") == "2 NOTIFY"


def test_a_uac_takes_the_route_reversed() -> None:
    """§12.1.2; a request that was sent again for a challenge has its number counted."""
    request = request_of(SUBSCRIBE)
    headers = [("Contact", "<sip:juliet@presence.example.com>")]
    response = response_to(request, 200, headers=headers, to_tag="yt66")
    response.headers = tuple(
        ("CSeq", "17767 SUBSCRIBE") if name == "CSeq" else (name, value)
        for name, value in response.headers
    )
    dialog = Dialog.of_uac(request, response, US)
    assert [str(each.uri) for each in dialog.route_set.hops] == [
        "sip:p1.example.net;lr",
        "sip:p2.example.net;lr",
    ]
    assert dialog.key == ("2010@watcherhost.example.net", "xfg9", "yt66")
    assert dialog.target == "sip:juliet@presence.example.com"
    assert dialog.request("SUBSCRIBE")[1].get("CSeq") == "17768 SUBSCRIBE"


def again(cseq: int, contact: bytes = b"<sip:romeo@elsewhere.example>") -> Request:
    """Return the peer's next request."""
    data = SUBSCRIBE.replace(b"17766", str(cseq).encode())
    old = b"<sip:romeo@watcherhost.example.net;gr=dr4hcr0st3lup4c?x=y>"
    return request_of(data.replace(old, contact))


def test_a_peer_may_move() -> None:
    """§12.2.2: the Contact of a request that refreshes the target is the new one."""
    dialog = uas().received(again(17767), refresh=True)
    assert (dialog.target, dialog.remote_cseq) == ("sip:romeo@elsewhere.example", 17767)
    assert uas().received(again(17767)).target == uas().target


@pytest.mark.parametrize("contact", ["*", "<tel:+1>", "<sip:a.example>, <sip:b.example>", "<"])
def test_an_answer_moves_nobody_to_what_is_no_contact(contact: str) -> None:
    """Nobody hears of an error in a response: the peer stays where he was."""
    after, request = uas().request("NOTIFY")
    response = response_to(request, 200, headers=[("Contact", contact)])
    assert after.answered(response).target == after.target


def test_what_is_older_is_refused() -> None:
    """§12.2.2: 500 for a CSeq that is lower than one before."""
    with pytest.raises(SipError) as caught:
        uas().received(again(17765))
    assert caught.value.status == 500
    assert uas().received(again(17766)) == uas()


@pytest.mark.parametrize(
    "contact", [b"", b"*", b"<sip:a@b.example>,<sip:c@d.example>", b"<tel:+1234>"]
)
def test_a_dialog_needs_one_contact(contact: bytes) -> None:
    """§12.1.1: without it nobody could be asked anything."""
    with pytest.raises(SipError):
        Dialog.of_uas(again(1, contact), "yt66", US)


@pytest.mark.parametrize(
    "contact", ["", "*", "<sip:a@b.example>,<sip:c@d.example>", "<tel:+1234>", "<", "x"]
)
def test_a_response_with_another_contact_moves_nobody(contact: str) -> None:
    """It cannot be refused, and the dialog is as it was."""
    dialog, request = uas().request("NOTIFY")
    response = response_to(request, 200, headers=[("Contact", contact)])
    assert dialog.answered(response) == dialog


def test_it_outlives_the_process() -> None:
    """Text and back, with the whole route."""
    dialog = uas().request("NOTIFY")[0]
    assert Dialog.from_text(dialog.to_text()) == dialog


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[1,2]", '["a","b","c","d","e","f","g",["<"],1,2]']
)
def test_no_dialog_is_made_of_other_text(text: str) -> None:
    """A damaged row is an error, no crash."""
    with pytest.raises(SipError):
        Dialog.from_text(text)


def test_an_ack_is_not_made_here() -> None:
    """§13.2.2.4: its number is that of the INVITE."""
    with pytest.raises(LocalError):
        uas().request("ACK")


HOPS = b"".join(
    b"Record-Route: <sip:p%d.example.net;lr;x=%s>\r\n" % (number, b"y" * 1900)
    for number in range(5)
)


@pytest.mark.parametrize(
    ("what", "many"),
    [
        (b"Record-Route", HOPS + b"Record-Route"),
        (b"tag=xfg9", b"tag=" + b"x" * 8100),
        (b"2010@w", b"2" * 8150 + b"@w"),
    ],
)
def test_a_peer_cannot_have_much_kept(what: bytes, many: bytes) -> None:
    """513: however little memory one dialog takes, there may be many."""
    assert what in SUBSCRIBE
    large = request_of(SUBSCRIBE.replace(what, many))
    with pytest.raises(SipError) as caught:
        Dialog.of_uas(large, "yt66", US)
    assert caught.value.status == 513
    half = Dialog("call", "<sip:a@example.com>", "tag", f"<sip:{'b' * 9000}@x>", "", "sip:b@x", US)
    assert half.met(request_of(SUBSCRIBE)).remote_tag == "xfg9", "what is ours counts for nothing"
    if what != b"2010@w":
        with pytest.raises(SipError):
            half.met(large)


def test_a_peer_that_moves_cannot_have_much_kept() -> None:
    """A request is refused; an answer, which cannot be, moves nobody."""
    tag = b"tag=" + b"x" * 7000
    dialog = Dialog.of_uas(request_of(SUBSCRIBE.replace(b"tag=xfg9", tag)), "yt66", US)
    large = request_of(SUBSCRIBE.replace(b"sip:romeo@watcher", b"sip:" + b"r" * 1900 + b"@watcher"))
    with pytest.raises(SipError, match="too long"):
        dialog.received(large, refresh=True)
    headers = [("Contact", f"<sip:{'r' * 1900}@example.com>")]
    response = response_to(request_of(SUBSCRIBE), 200, headers=headers, to_tag="t")
    assert dialog.answered(response).target == dialog.target
    response = response_to(request_of(SUBSCRIBE), 200, headers=headers, to_tag="t" * 8000)
    with pytest.raises(SipError, match="too long"):
        Dialog.of_uac(request_of(SUBSCRIBE), response, US)


def test_whose_a_kept_dialog_is() -> None:
    """What is needed to find it, without all of it being read; nothing for what is none."""
    assert ends_of(uas().to_text()) == ("2010@watcherhost.example.net", "yt66")
    for text in ("", "{", "[]", "[1,2]", "7", "null"):
        assert ends_of(text) == ("", "")
