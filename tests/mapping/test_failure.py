"""Failures (RFC 7247 §7): the tables of docs/interworking/errors.md §1 to §5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mapping.failure import (
    Answer,
    Unreached,
    no_answer,
    phrase,
    response_error,
    sip_status,
    sips_refused,
    stanza_error,
    unreached,
)
from dragoman.sip.message import Request, Response, encode, response_to
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import DEFAULT_TYPE, Condition, ErrorType, StanzaError

METHODS = ("INVITE", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER", "OPTIONS", "BYE", "INFO")

# errors.md §1, its statuses in order; 301 as it is with a Contact.
TO_STANZA = [
    (300, "redirect", "modify"),
    (301, "gone", "cancel"),
    (302, "redirect", "modify"),
    (305, "redirect", "modify"),
    (380, "not-acceptable", "modify"),
    (400, "bad-request", "modify"),
    (401, "not-authorized", "auth"),
    (402, "bad-request", "modify"),
    (403, "forbidden", "auth"),
    (404, "item-not-found", "cancel"),
    (405, "feature-not-implemented", "cancel"),
    (406, "not-acceptable", "modify"),
    (407, "registration-required", "auth"),
    (408, "remote-server-timeout", "wait"),
    (410, "gone", "cancel"),
    (412, "bad-request", "modify"),
    (413, "policy-violation", "modify"),
    (414, "policy-violation", "modify"),
    (415, "not-acceptable", "modify"),
    (416, "not-acceptable", "modify"),
    (417, "bad-request", "modify"),
    (420, "feature-not-implemented", "cancel"),
    (421, "not-acceptable", "modify"),
    (422, "bad-request", "modify"),
    (423, "resource-constraint", "wait"),
    (424, "bad-request", "modify"),
    (425, "bad-request", "modify"),
    (428, "bad-request", "modify"),
    (429, "bad-request", "modify"),
    (430, "recipient-unavailable", "wait"),
    (433, "bad-request", "modify"),
    (436, "bad-request", "modify"),
    (437, "bad-request", "modify"),
    (438, "bad-request", "modify"),
    (439, "feature-not-implemented", "cancel"),
    (440, "policy-violation", "modify"),
    (469, "bad-request", "modify"),
    (470, "bad-request", "modify"),
    (480, "recipient-unavailable", "wait"),
    (481, "item-not-found", "cancel"),
    (482, "not-acceptable", "modify"),
    (483, "not-acceptable", "modify"),
    (484, "item-not-found", "cancel"),
    (485, "item-not-found", "cancel"),
    (486, "recipient-unavailable", "wait"),
    (487, "recipient-unavailable", "wait"),
    (488, "not-acceptable", "modify"),
    (489, "policy-violation", "modify"),
    (491, "unexpected-request", "wait"),
    (493, "bad-request", "modify"),
    (494, "bad-request", "modify"),
    (500, "internal-server-error", "cancel"),
    (501, "feature-not-implemented", "cancel"),
    (502, "remote-server-not-found", "cancel"),
    (503, "internal-server-error", "wait"),
    (504, "remote-server-timeout", "wait"),
    (505, "not-acceptable", "modify"),
    (513, "policy-violation", "modify"),
    (555, "internal-server-error", "cancel"),
    (580, "internal-server-error", "cancel"),
    (600, "recipient-unavailable", "wait"),
    (603, "recipient-unavailable", "wait"),
    (604, "item-not-found", "cancel"),
    (606, "not-acceptable", "modify"),
    (607, "recipient-unavailable", "wait"),
    (608, "recipient-unavailable", "wait"),
]

DEFAULTS = [
    (399, "redirect", "modify"),
    (381, "redirect", "modify"),
    (409, "bad-request", "modify"),
    (499, "bad-request", "modify"),
    (599, "internal-server-error", "cancel"),
    (699, "recipient-unavailable", "wait"),
]

# errors.md §2: condition, (full, bare) to a SUBSCRIBE, then to an INVITE and a MESSAGE by default.
TO_SIP = [
    ("bad-request", (400, 400), (400, 400), (400, 400)),
    ("conflict", (400, 400), (400, 400), (400, 400)),
    ("feature-not-implemented", (405, 501), (405, 501), (405, 501)),
    ("forbidden", (403, 603), (403, 603), (403, 403)),
    ("gone", (410, 410), (410, 410), (410, 410)),
    ("internal-server-error", (500, 500), (500, 500), (500, 500)),
    ("item-not-found", (404, 604), (404, 604), (404, 404)),
    ("jid-malformed", (400, 400), (400, 400), (400, 400)),
    ("not-acceptable", (406, 606), (488, 606), (406, 406)),
    ("not-allowed", (403, 403), (403, 403), (403, 403)),
    ("not-authorized", (403, 403), (403, 403), (403, 403)),
    ("policy-violation", (403, 403), (403, 403), (403, 403)),
    ("recipient-unavailable", (480, 600), (480, 480), (480, 480)),
    ("redirect", (404, 404), (404, 404), (404, 404)),
    ("registration-required", (403, 403), (403, 403), (403, 403)),
    ("remote-server-not-found", (404, 404), (404, 404), (404, 404)),
    ("remote-server-timeout", (504, 504), (408, 408), (504, 504)),
    ("resource-constraint", (500, 500), (500, 500), (500, 500)),
    ("service-unavailable", (403, 403), (480, 480), (403, 403)),
    ("subscription-required", (400, 400), (400, 400), (400, 400)),
    ("undefined-condition", (400, 400), (400, 400), (400, 400)),
    ("unexpected-request", (400, 400), (400, 400), (400, 400)),
]

STRICT = {
    ("forbidden", "MESSAGE"): (403, 603),
    ("item-not-found", "MESSAGE"): (404, 604),
    ("not-acceptable", "MESSAGE"): (406, 606),
    ("recipient-unavailable", "MESSAGE"): (480, 600),
    ("recipient-unavailable", "INVITE"): (480, 600),
    **{("not-authorized", method): (401, 401) for method in METHODS},
    **{("registration-required", method): (407, 407) for method in METHODS},
}
"""Where `strict` differs (errors.md §4, rows 1 to 3)."""


def status(condition: str, method: str, *, full: bool, strict: bool = False) -> int:
    answer = sip_status(
        StanzaError(Condition(condition)),
        method=method,
        full=full,
        strict=strict,
        realm="x.example",
    )
    assert answer is not None
    return answer.status


@pytest.mark.spec("ERR-01")
@pytest.mark.parametrize(("code", "condition", "kind"), TO_STANZA)
def test_stanza_error(code: int, condition: str, kind: str) -> None:
    error = stanza_error(code, contact=Uri.parse("sip:a@b.example"))
    assert error is not None
    assert (error.condition, error.kind) == (condition, kind)


@pytest.mark.spec("ERR-03")
@pytest.mark.parametrize(("code", "condition", "kind"), DEFAULTS)
def test_class_defaults(code: int, condition: str, kind: str) -> None:
    error = stanza_error(code)
    assert error is not None
    assert (error.condition, error.kind) == (condition, kind)


@pytest.mark.spec("ERR-04")
def test_moved_permanently_and_gone() -> None:
    contact = Uri.parse("sip:o'malley@b.example;gr=x")
    moved, gone, lost = stanza_error(301, contact=contact), stanza_error(410), stanza_error(301)
    assert moved is not None
    assert (moved.condition, moved.address) == ("gone", r"xmpp:o%5C27malley@b.example/x")
    assert gone is not None
    assert (gone.condition, gone.address) == ("gone", "")
    assert lost is not None
    assert (lost.condition, lost.address) == ("redirect", "")
    given = stanza_error(410, contact=contact)
    assert given is not None
    assert given.address == ""


@pytest.mark.parametrize(
    ("contact", "address"),
    [
        ("sip:romeo@example.net", "xmpp:romeo@example.net"),
        ("sip:romeo@elsewhere.example:5070", "sip:romeo@elsewhere.example:5070"),
        ("sip:%FF@example.net", "sip:%FF@example.net"),
        ("tel:+1-212", "tel:+1-212"),
    ],
)
def test_where_a_redirection_leads(contact: str, address: str) -> None:
    error = stanza_error(302, contact=Uri.parse(contact), served=lambda host: "net" in host)
    assert error is not None
    assert error.address == address


def test_no_redirection_to_nowhere() -> None:
    error = stanza_error(380, contact=Uri.parse("sip:a@b"))
    assert error is not None
    assert error.element().find("{urn:ietf:params:xml:ns:xmpp-stanzas}not-acceptable") == Element(
        "{urn:ietf:params:xml:ns:xmpp-stanzas}not-acceptable"
    )


@pytest.mark.spec("ERR-07")
def test_service_unavailable_of_sip_is_another() -> None:
    conditions = [found.condition for code in range(300, 700) if (found := stanza_error(code))]
    assert len(conditions) == 400
    assert Condition.SERVICE_UNAVAILABLE not in conditions


@pytest.mark.spec("ERR-08")
@pytest.mark.parametrize("code", [100, 180, 199, 200, 202, 299])
def test_no_error(code: int) -> None:
    assert stanza_error(code) is None


@pytest.mark.spec("ERR-18")
@pytest.mark.parametrize("code", [700, 999, 99, 0, -1, 10**9])
def test_code_of_no_class(code: int) -> None:
    error = stanza_error(code)
    assert error is not None
    assert (error.condition, error.kind) == ("undefined-condition", "cancel")


@pytest.mark.parametrize("code", [413, 480, 486, 500, 503, 404])
def test_retry_after(code: int) -> None:
    error = stanza_error(code, retry_after=120, reason="Lunch")
    assert error is not None
    assert error.kind is ErrorType.WAIT
    assert error.text == "Lunch (retry after 120 s)"
    plain = stanza_error(code, retry_after=5)
    assert plain is not None
    assert plain.text == "Retry after 5 s"


@pytest.mark.spec("ERR-15")
@pytest.mark.parametrize(
    ("cause", "condition", "kind"),
    [
        (Unreached.TIMEOUT, "remote-server-timeout", "wait"),
        (Unreached.TRANSPORT, "remote-server-timeout", "wait"),
        (Unreached.NO_ADDRESS, "remote-server-not-found", "cancel"),
    ],
)
def test_unreached(cause: Unreached, condition: str, kind: str) -> None:
    error = unreached(cause, by="gw.example")
    assert (error.condition, error.kind, error.by) == (condition, kind, "gw.example")


@pytest.mark.spec("ERR-11")
@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("Not Found", ""),
        ("not found", ""),
        ("", ""),
        ("No such Montague", "No such Montague"),
        ("two\r\nlines\tand\x00more", "two lines and more"),
        ("Nicht gefunden, für nichts", "Nicht gefunden, für nichts"),
    ],
)
def test_reason_becomes_text(reason: str, text: str) -> None:
    error = stanza_error(404, reason=reason)
    assert error is not None
    assert error.text == text
    assert error.lang == ("en" if text else error.lang)


def test_warning_speaks_when_the_reason_is_the_usual_one() -> None:
    error = stanza_error(480, reason="Temporarily Unavailable", warning="SIPS Not Allowed")
    assert error is not None
    assert error.text == "SIPS Not Allowed"


def response(code: int, reason: str, *headers: tuple[str, str]) -> Response:
    sent = Request("MESSAGE", "sip:a@b", [("Via", "SIP/2.0/UDP h;branch=z9hG4bKx")])
    return response_to(sent, code, reason, headers)


def test_error_of_a_whole_response() -> None:
    error = response_error(
        response(
            302,
            "Elsewhere",
            ("Contact", '"R, M" <sip:romeo@b.example>, <sip:x@y>'),
            ("Warning", '399 h "look there"'),
        ),
        by="gw.example",
    )
    assert error is not None
    assert (error.condition, error.address, error.text, error.by) == (
        "redirect",
        "xmpp:romeo@b.example",
        "Elsewhere",
        "gw.example",
    )
    busy = response_error(response(486, "", ("Retry-After", "18 (in a meeting);duration=3")))
    assert busy is not None
    assert busy.text == "Retry after 18 s"


def test_headers_that_are_no_headers() -> None:
    error = response_error(
        response(302, "", ("Contact", "<sip:"), ("Warning", "x"), ("Retry-After", "soon"))
    )
    assert error is not None
    assert (error.condition, error.kind, error.address, error.text) == (
        "redirect",
        "modify",
        "",
        "",
    )
    assert response_error(response(200, "OK")) is None


@pytest.mark.spec("ERR-02")
@pytest.mark.parametrize(("condition", "other", "invite", "message"), TO_SIP)
def test_sip_status(
    condition: str, other: tuple[int, int], invite: tuple[int, int], message: tuple[int, int]
) -> None:
    for method, pair in (("SUBSCRIBE", other), ("INVITE", invite), ("MESSAGE", message)):
        assert (
            status(condition, method, full=True),
            status(condition, method, full=False),
        ) == pair, method


def test_every_condition_is_in_the_table() -> None:
    assert {row[0] for row in TO_SIP} == set(Condition)


@pytest.mark.spec("ERR-16")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("condition", list(Condition))
def test_strict_differs_where_it_says(condition: Condition, method: str) -> None:
    usual = tuple(status(condition, method, full=full) for full in (True, False))
    strict = tuple(status(condition, method, full=full, strict=True) for full in (True, False))
    assert strict == STRICT.get((condition, method), usual)
    if (condition, method) in STRICT:
        assert strict != usual


@pytest.mark.spec("ERR-05")
@pytest.mark.parametrize(
    ("address", "contact"),
    [
        ("xmpp:romeo@example.net", "<sip:romeo@example.net>"),
        ("xmpp:o%5C27m@example.net/r", "<sip:o'm@example.net;gr=r>"),
        ("sip:romeo@example.net", "<sip:romeo@example.net>"),
        ("tel:+1-212", "<tel:+1-212>"),
    ],
)
def test_gone_to_an_address(address: str, contact: str) -> None:
    for condition, code in ((Condition.GONE, 301), (Condition.REDIRECT, 302)):
        answer = sip_status(StanzaError(condition, address=address), method="MESSAGE", full=True)
        assert answer == Answer(code, "", (("Contact", contact),))


@pytest.mark.spec("ERR-05")
@pytest.mark.parametrize(
    "address", ["", "mailto:a@b", "xmpp:", "nonsense", "sip:a b", "xmpp:%20@h"]
)
def test_gone_to_no_address(address: str) -> None:
    for condition, code in ((Condition.GONE, 410), (Condition.REDIRECT, 404)):
        answer = sip_status(StanzaError(condition, address=address), method="MESSAGE", full=True)
        assert answer == Answer(code)


@pytest.mark.spec("ERR-06")
@pytest.mark.parametrize("method", METHODS)
def test_service_unavailable_is_never_503(method: str) -> None:
    for strict in (False, True):
        for full in (False, True):
            assert status("service-unavailable", method, full=full, strict=strict) != 503
    assert status("service-unavailable", "INFO", full=True) == 405


@pytest.mark.spec("ERR-09")
def test_405_says_what_is_allowed() -> None:
    error = StanzaError(Condition.FEATURE_NOT_IMPLEMENTED)
    answer = sip_status(error, method="INFO", full=True, allow=("MESSAGE", "OPTIONS"))
    assert answer == Answer(405, "", (("Allow", "MESSAGE, OPTIONS"),))


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        (
            Condition.NOT_AUTHORIZED,
            Answer(401, "", (("WWW-Authenticate", 'Digest realm="x.example", nonce="0"'),)),
        ),
        (
            Condition.REGISTRATION_REQUIRED,
            Answer(407, "", (("Proxy-Authenticate", 'Digest realm="x.example", nonce="0"'),)),
        ),
    ],
)
def test_strict_challenges(condition: Condition, answer: Answer) -> None:
    error = StanzaError(condition)
    assert sip_status(error, method="MESSAGE", full=True, strict=True, realm="x.example") == answer


def test_constraint_that_will_pass() -> None:
    error = StanzaError(Condition.RESOURCE_CONSTRAINT)
    answer = sip_status(error, method="MESSAGE", full=True)
    assert answer == Answer(500, "", (("Retry-After", "30"),))
    lasting = StanzaError(Condition.RESOURCE_CONSTRAINT, ErrorType.CANCEL)
    assert sip_status(lasting, method="MESSAGE", full=True) == Answer(500)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("auth", 403), ("cancel", 400), ("modify", 400), ("wait", 500)],
)
def test_condition_that_nobody_knows(kind: str, code: int) -> None:
    element = Element("{jabber:client}error", {"type": kind})
    element.children.append(Element("{urn:ietf:params:xml:ns:xmpp-stanzas}payment-required"))
    answer = sip_status(StanzaError.parse(element), method="MESSAGE", full=True)
    assert answer is not None
    assert answer.status == code


@pytest.mark.parametrize("condition", list(Condition))
def test_warning_is_no_error(condition: Condition) -> None:
    error = StanzaError(condition, ErrorType.CONTINUE)
    assert sip_status(error, method="MESSAGE", full=True) is None


@pytest.mark.spec("ERR-19")
@pytest.mark.parametrize(
    ("name", "condition", "code"),
    [
        ("out-of-order", Condition.UNEXPECTED_REQUEST, 491),
        ("unknown-session", Condition.ITEM_NOT_FOUND, 481),
        ("tie-break", Condition.CONFLICT, 491),
        ("unsupported-info", Condition.FEATURE_NOT_IMPLEMENTED, None),
        ("security-required", Condition.NOT_ACCEPTABLE, 488),
    ],
)
def test_jingle_errors(name: str, condition: Condition, code: int | None) -> None:
    application = Element(f"{{urn:xmpp:jingle:errors:1}}{name}")
    error = StanzaError(condition, application=application)
    answer = sip_status(error, method="INVITE", full=True)
    assert (answer and answer.status) == code
    other = StanzaError(condition, application=Element("{urn:example}tie-break"))
    plain = sip_status(other, method="INVITE", full=True)
    assert plain == sip_status(StanzaError(condition), method="INVITE", full=True)


@pytest.mark.parametrize(
    ("condition", "code"),
    [(Condition.UNEXPECTED_REQUEST, 491), (Condition.SERVICE_UNAVAILABLE, 405)],
)
def test_within_a_dialog(condition: Condition, code: int) -> None:
    answer = sip_status(StanzaError(condition), method="INVITE", full=True, in_dialog=True)
    assert answer is not None
    assert answer.status == code


@pytest.mark.parametrize(("method", "code"), [("INVITE", 408), ("MESSAGE", 504)])
def test_domain_that_does_not_resolve(method: str, code: int) -> None:
    error = StanzaError(Condition.REMOTE_SERVER_NOT_FOUND)
    assert sip_status(error, method=method, full=True, unresolved=True) == Answer(code)


@pytest.mark.spec("ERR-21")
@pytest.mark.parametrize("method", [method for method in METHODS if method != "INVITE"])
@pytest.mark.parametrize("condition", list(Condition))
@pytest.mark.parametrize("strict", [False, True])
def test_408_is_for_invite_alone(condition: Condition, method: str, strict: bool) -> None:
    for unresolved in (False, True):
        answer = sip_status(
            StanzaError(condition), method=method, full=False, strict=strict, unresolved=unresolved
        )
        assert answer is not None
        assert answer.status != 408
    assert no_answer(method) == Answer(504)
    assert no_answer("INVITE") == Answer(408)


@pytest.mark.parametrize("condition", list(Condition))
@pytest.mark.parametrize("full", [False, True])
def test_no_6xx_to_a_message(condition: Condition, full: bool) -> None:
    assert status(condition, "MESSAGE", full=full) < 600


@pytest.mark.spec("ERR-11")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("No such user", "No such user"),
        ("two\r\nlines", "two lines"),
        ("a\r\nWarning: 399 x y\x00\x85\u2028z", "a Warning: 399 x y z"),
        ("x" * 128, "x" * 128),
        ("x" * 129, "x" * 128),
        ("x" * 127 + "ü", "x" * 127),
        ("ü" * 64, "ü" * 64),
        ("ü" * 65, "ü" * 64),
        ("\U0001f339" * 40, "\U0001f339" * 32),
        ("", ""),
    ],
)
def test_text_becomes_reason(text: str, reason: str) -> None:
    answer = sip_status(
        StanzaError(Condition.ITEM_NOT_FOUND, text=text), method="MESSAGE", full=True
    )
    assert answer == Answer(404, reason)


@given(st.text(max_size=200))
def test_phrase_is_one_short_line(text: str) -> None:
    text = text.encode(errors="ignore").decode()
    line = phrase(text)
    assert len(line.encode()) <= 128
    sent = encode(response(404, line))
    assert sent.count(b"\r\n") == encode(response(404, "x")).count(b"\r\n")


@pytest.mark.spec("ERR-13")
def test_sips() -> None:
    refused = sips_refused("gw.example")
    assert refused.status == 480
    assert refused.answer.headers == (("Warning", '380 gw.example "SIPS Not Allowed"'),)


def test_types_are_those_of_rfc_6120() -> None:
    for code in range(300, 700):
        error = stanza_error(code)
        assert error is not None
        if code != 503:
            assert error.kind is DEFAULT_TYPE[error.condition]
