"""Challenges to our requests: who is answered, with what, how often, and who is not."""

from dataclasses import replace

import pytest

from dragoman.sip.auth import Asked
from dragoman.sip.credentials import Account
from dragoman.sip.endpoint import Cause
from dragoman.sip.locate import Transport
from dragoman.sip.message import Request, Response, build_request, parse, response_to
from dragoman.sip.verifier import Claim, Verdict, Verifier
from tests.sip.desk import FAR, NEAR, UDP, Desk, heading, outgoing, over
from tests.sip.test_client import sends, told

REALM = "Example Trunk"
PASSWORD = "wherefore"  # noqa: S105
ACCOUNT = Account(REALM, "gateway", PASSWORD, "example.com")
MD5 = f'Digest realm="{REALM}", nonce="{{}}", qop="auth", algorithm=MD5'
SHA = MD5.replace("MD5", "SHA-256")
ANSWERS = ("Authorization", "Proxy-Authorization")


def desk_of(*accounts: Account) -> Desk:
    return Desk(accounts=accounts or (ACCOUNT,))


def challenges(
    desk: Desk, request: Request, *lines: str, status: int = 407
) -> list[Request | Response]:
    """Have the server challenge; return what is sent then."""
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    headers = [(name, line) for line in lines]
    return desk.hears(response_to(request, status, headers=headers, to_tag="r"))


def only(sent: list[Request | Response]) -> Request:
    [found] = sent
    assert isinstance(found, Request)
    return found


def claims(request: Request) -> list[Claim]:
    return [Claim.parse(line) for name in ANSWERS for line in request.get_all(name)]


@pytest.mark.spec("NET-28")
@pytest.mark.parametrize(
    ("status", "header"), [(401, "Authorization"), (407, "Proxy-Authorization")]
)
def test_a_challenge_is_answered_at_the_same_target(status: int, header: str) -> None:
    desk = desk_of()
    server = Verifier(REALM, b"s", lambda: "t")
    first = sends(desk, NEAR, FAR)
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    lines = [(name, line) for line in server.challenges(0.0)]
    desk.endpoint.receive(response_to(first, status, headers=lines), UDP, 0.0)
    [datagram] = desk.endpoint.to_send()
    assert datagram.to == NEAR
    second = only([parse(datagram.data)])
    [value] = second.get_all(header)
    claim = Claim.parse(value)
    assert (claim.user, claim.algorithm, claim.qop, claim.number) == (
        "gateway",
        "SHA-256",
        "auth",
        1,
    )
    asked = Asked("MESSAGE", second.target)
    assert server.check(claim, asked, PASSWORD, 1.0) is Verdict.GOOD
    assert (str(first.cseq), str(second.cseq)) == ("1 MESSAGE", "2 MESSAGE")
    assert (second.call_id, second.from_, second.to) == (first.call_id, first.from_, first.to)
    assert (second.body, second.via.branch == first.via.branch) == (first.body, False)
    assert told(desk) == []
    desk.hears(response_to(second, 200, to_tag="r"))
    assert told(desk) == [200]


@pytest.mark.spec("NET-28")
def test_a_wrong_password_is_told_after_one_answer() -> None:
    desk = desk_of()
    second = only(challenges(desk, sends(desk, NEAR), SHA.format("one")))
    assert challenges(desk, second, SHA.format("two")) == []
    assert told(desk) == [407]
    assert claims(sends(desk, NEAR)) == [], "what was refused is not shown again"


@pytest.mark.spec("NET-28")
def test_a_stale_nonce_is_replaced_once() -> None:
    desk = desk_of()
    stale = ", stale=true"
    second = only(challenges(desk, sends(desk, NEAR), SHA.format("one")))
    third = only(challenges(desk, second, SHA.format("two") + stale))
    assert [each.nonce for each in claims(third)] == ["two"]
    assert str(third.cseq) == "3 MESSAGE"
    assert challenges(desk, third, SHA.format("three") + stale) == []
    assert told(desk) == [407]


@pytest.mark.spec("NET-28")
def test_from_then_on_requests_carry_the_answer_and_count() -> None:
    desk = desk_of()
    second = only(challenges(desk, sends(desk, NEAR), SHA.format("one")))
    desk.hears(response_to(second, 200, to_tag="r"))
    numbers = [claims(sends(desk, NEAR))[0].number for _ in range(3)]
    assert numbers == [2, 3, 4]
    fresh = only(challenges(desk, sends(desk, NEAR), SHA.format("two")))
    assert [(each.nonce, each.number) for each in claims(fresh)] == [("two", 1)]
    elsewhere = replace(NEAR, domain="other.example")
    assert claims(sends(desk, elsewhere)) == [], "only where the account is for"


@pytest.mark.spec("NET-28")
@pytest.mark.parametrize(
    "account",
    [
        replace(ACCOUNT, realm="another"),
        replace(ACCOUNT, domain="another.example"),
        replace(ACCOUNT, domain=""),
    ],
)
def test_nobody_else_is_shown_anything(account: Account) -> None:
    desk = desk_of(account)
    assert challenges(desk, sends(desk, NEAR), SHA.format("one")) == []
    assert told(desk) == [407]


@pytest.mark.parametrize("domain", ["EXAMPLE.com", "example.net"])
def test_an_account_is_for_the_host_looked_up_or_that_of_the_request(domain: str) -> None:
    desk = desk_of(replace(ACCOUNT, domain=domain))
    assert claims(only(challenges(desk, sends(desk, NEAR), SHA.format("one"))))


def test_without_a_domain_an_account_is_for_the_one_its_realm_names() -> None:
    desk = desk_of(Account("example.com", "u", "p"))
    line = SHA.replace(REALM, "example.com").format("one")
    assert claims(only(challenges(desk, sends(desk, NEAR), line)))


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("rubbish",),
        ('Basic realm="Example Trunk"',),
        (MD5.replace("MD5", "SHA-3").format("one"),),
        (SHA.format("one"), 'Digest realm="r'),
    ],
)
def test_what_cannot_be_answered_is_told(lines: tuple[str, ...]) -> None:
    desk = desk_of()
    assert challenges(desk, sends(desk, NEAR), *lines) == []
    assert told(desk) == [407]


def test_the_strongest_of_several_challenges_is_answered() -> None:
    desk = desk_of()
    second = only(challenges(desk, sends(desk, NEAR), MD5.format("one"), SHA.format("two")))
    assert [each.algorithm for each in claims(second)] == ["SHA-256"]


def test_proxy_and_server_are_answered_one_after_the_other() -> None:
    other = Account("Server", "gateway", PASSWORD, "example.net")
    desk = desk_of(ACCOUNT, other)
    second = only(challenges(desk, sends(desk, NEAR), SHA.format("one")))
    line = SHA.replace(REALM, "Server").format("two")
    third = only(challenges(desk, second, line, status=401))
    assert [(each.realm, each.nonce, each.number) for each in claims(third)] == [
        ("Server", "two", 1),
        (REALM, "one", 2),
    ]
    assert (str(third.cseq), len(third.get_all("Proxy-Authorization"))) == ("3 MESSAGE", 1)


def test_an_answer_too_long_for_udp_goes_by_tcp() -> None:
    desk = desk_of()
    first = sends(desk, NEAR, body=b"x" * 950)
    name = ("Proxy-Authenticate", SHA.format("one"))
    desk.endpoint.receive(response_to(first, 407, headers=[name]), UDP, 0.0)
    [datagram] = desk.endpoint.to_send()
    assert datagram.to == over(Transport.TCP)


def test_an_answered_request_fails_over_like_any_other() -> None:
    desk = desk_of()
    challenges(desk, sends(desk, NEAR, FAR), SHA.format("one"))
    desk.endpoint.unreachable(NEAR, 0.0)
    [datagram] = desk.endpoint.to_send()
    assert datagram.to == FAR
    assert claims(only([parse(datagram.data)]))
    desk.endpoint.unreachable(FAR, 0.0)
    assert told(desk) == [Cause.UNREACHABLE]


def test_an_invite_is_acknowledged_before_it_is_sent_again() -> None:
    desk = desk_of()
    first = sends(desk, NEAR, method="INVITE")
    found = challenges(desk, first, SHA.format("one"))
    assert [heading(each) for each in found] == ["ACK", "INVITE"]
    ack, second = found
    assert (str(ack.cseq), str(second.cseq)) == ("1 ACK", "2 INVITE")


def test_the_ack_of_a_dialog_keeps_the_credentials_that_its_owner_gave_it() -> None:
    desk = desk_of()
    challenges(desk, sends(desk, NEAR), SHA.format("one"))
    given = outgoing("ACK")
    ack = build_request("ACK", given.target, [*given.headers, ("Proxy-Authorization", "mine")])
    desk.endpoint.send(ack, [NEAR], "", 0.0)
    assert only(desk.says()).get_all("Proxy-Authorization") == ["mine"]


def test_what_is_remembered_is_one_nonce_an_account_and_header() -> None:
    desk = desk_of()
    for number in range(50):
        challenges(desk, sends(desk, NEAR), SHA.format(f"n{number}"))
        challenges(desk, sends(desk, NEAR), SHA.format(f"w{number}"), status=401)
    assert len(desk.endpoint._clients._keyring._sessions) == 2


def test_a_password_is_not_printed() -> None:
    assert PASSWORD not in repr(ACCOUNT)
