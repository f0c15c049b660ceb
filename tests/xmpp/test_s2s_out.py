"""Streams that we open: RFC 6120 §9.2 and XEP-0220 §2.1 as conversations, and every table cell."""

from collections.abc import Iterable

import pytest

from dragoman.errors import LocalError
from dragoman.xmpp import dialback
from dragoman.xmpp.dialback import VerifyQuery
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError, StreamCondition, StreamError
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.resume import Ledger
from dragoman.xmpp.s2s_out import Input, OutgoingStream, State, Verified
from dragoman.xmpp.stanza import message
from dragoman.xmpp.stream import Ended, Policy, Ready, Refused, StanzaArrived, StartTls
from tests.xmpp.wire import (
    END,
    ERRORS_NS,
    LAX,
    NOBODY,
    SASL_NS,
    STREAM_NS,
    STRICT,
    TLS_NS,
    Certificate,
    certificate,
    error,
    feed,
    of_type,
    sent,
)

SECRET = b"s3cr3tf0rd14lb4ck"
ID = "D60000229F"
TRUSTED = certificate("example.net")

OUR_HEADER = (
    "<?xml version='1.0'?><stream:stream from='im.example.com' to='example.net' version='1.0'"
    f" xml:lang='en' xmlns='jabber:server' xmlns:stream='{STREAM_NS}'"
    " xmlns:db='jabber:server:dialback'>"
)
HEADER = (
    f"<stream:stream xmlns='jabber:server' xmlns:stream='{STREAM_NS}'"
    f" from='example.net' to='im.example.com' id='{ID}' version='1.0'>"
)
TLS = f"<starttls xmlns='{TLS_NS}'><required/></starttls>"
EXTERNAL = f"<mechanisms xmlns='{SASL_NS}'><mechanism>EXTERNAL</mechanism></mechanisms>"
SM = "<sm xmlns='urn:xmpp:sm:3'/>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
PROCEED = f"<proceed xmlns='{TLS_NS}'/>"
AUTH = f"<auth xmlns='{SASL_NS}' mechanism='EXTERNAL'>=</auth>"
SUCCESS = f"<success xmlns='{SASL_NS}'/>"
NO_SASL = f"<failure xmlns='{SASL_NS}'><not-authorized/></failure>"
STARTTLS = f"<starttls xmlns='{TLS_NS}'/>"
DB = "xmlns:db='jabber:server:dialback' from='example.net' to='im.example.com'"
RESULT = "<db:result from='im.example.com' to='example.net'>{key}</db:result>".format(
    key=dialback.key(SECRET, "example.net", "im.example.com", ID)
)
BODY = "Art thou not Romeo, and a Montague?"


def features(*offered: str) -> str:
    return f"<stream:features>{''.join(offered)}</stream:features>"


def result(type_: str, inside: str = "") -> str:
    return f"<db:result {DB} type='{type_}'>{inside}</db:result>"


def stream(
    policy: Policy | None = None,
    *,
    direct_tls: bool = False,
    have_certificate: bool = True,
    verify_only: bool = False,
    past: Ledger | None = None,
) -> OutgoingStream:
    core = OutgoingStream(
        "im.example.com",
        "example.net",
        policy=policy or Policy(),
        secret=SECRET,
        direct_tls=direct_tls,
        have_certificate=have_certificate,
        verify_only=verify_only,
        past=past,
    )
    core.connected(0.0)
    return core


def session(*stanzas: Element) -> Ledger:
    """Return a session that can be resumed, in which `stanzas` were not acknowledged."""
    ledger = Ledger(most=8)
    ledger.id, ledger.patience = "s1", 300.0
    for each in stanzas:
        ledger.note(each)
    return ledger


def secured(core: OutgoingStream, peer: Certificate = TRUSTED) -> OutgoingStream:
    """Take a core through STARTTLS, to the second header."""
    assert sent(core) == OUR_HEADER
    assert feed(core, HEADER + features(TLS)) == STARTTLS
    assert feed(core, PROCEED) == ""
    assert core.events() == [StartTls("example.net")]
    core.secured(peer, 0.0)
    return core


def dialling(core: OutgoingStream | None = None) -> OutgoingStream:
    """Return a core that has shown its key."""
    core = secured(core or stream())
    assert feed(core, HEADER + features(DIALBACK)) == OUR_HEADER + RESULT
    return core


def ready(policy: Policy | None = None, limits: str = "") -> OutgoingStream:
    core = secured(stream(policy))
    feed(core, HEADER + features(DIALBACK, limits))
    feed(core, result("valid"))
    assert core.events() == [Ready()]
    return core


@pytest.mark.spec("NET-06")
@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("prefixed", [True, False])
def test_the_server_to_server_example(bytewise: bool, prefixed: bool) -> None:
    """RFC 6120 §9.2, where Server2 writes without prefixes, and the same with them."""
    header, end = (HEADER, END)
    features_tag = "stream:features"
    if not prefixed:
        header = (
            f"<stream from='example.net' id='{ID}' to='im.example.com' version='1.0'"
            f" xmlns='{STREAM_NS}'>"
        )
        features_tag, end = "features", "</stream>"
    core = stream()
    talk = [
        ("", OUR_HEADER),
        (header, ""),
        (f"<{features_tag}>{TLS}</{features_tag}>", STARTTLS),
        (PROCEED, ""),
    ]
    for heard, answered in talk:
        assert feed(core, heard, bytewise=bytewise) == answered
    assert core.events() == [StartTls("example.net")]
    core.secured(TRUSTED, 1.0)
    talk = [
        ("", OUR_HEADER),
        (header, ""),
        (f"<{features_tag}>{EXTERNAL}</{features_tag}>", AUTH),
        (SUCCESS, OUR_HEADER),
        (header, ""),
        (f"<{features_tag}/>", ""),
    ]
    for heard, answered in talk:
        assert feed(core, heard, bytewise=bytewise) == answered
    assert core.events() == [Ready()]
    stanza = message("romeo@example.net", "juliet@im.example.com/balcony", id="ju2ba41c")
    stanza.children.append(parse_document(f"<body xmlns='jabber:client'>{BODY}</body>".encode()))
    core.send(stanza, 0.0)
    assert sent(core) == (
        "<message from='juliet@im.example.com/balcony' to='romeo@example.net' id='ju2ba41c'>"
        f"<body>{BODY}</body></message>"
    )
    core.shut(None, 2.0)
    assert sent(core) == END
    assert core.events() == []
    assert feed(core, end, bytewise=bytewise) == ""
    assert core.events() == [Ended("closed by us")]


@pytest.mark.spec("NET-07")
def test_dialback_as_initiating_server() -> None:
    core = dialling()
    assert feed(core, result("valid")) == ""
    assert core.events() == [Ready()]


@pytest.mark.spec("NET-06")
def test_dialback_when_external_fails() -> None:
    core = secured(stream())
    assert feed(core, HEADER + features(EXTERNAL, DIALBACK)) == OUR_HEADER + AUTH
    assert feed(core, NO_SASL) == RESULT
    feed(core, result("valid"))
    assert core.events() == [Ready()]


def test_no_external_without_a_certificate_of_ours() -> None:
    core = secured(stream(have_certificate=False))
    assert feed(core, HEADER + features(EXTERNAL, DIALBACK)) == OUR_HEADER + RESULT


def test_a_challenge_ends_external() -> None:
    core = secured(stream())
    feed(core, HEADER + features(EXTERNAL, DIALBACK))
    assert feed(core, f"<challenge xmlns='{SASL_NS}'/>") == f"<abort xmlns='{SASL_NS}'/>"
    assert feed(core, f"<failure xmlns='{SASL_NS}'><aborted/></failure>") == RESULT


@pytest.mark.parametrize(
    ("header", "offered"),
    [
        (HEADER, ""),
        (HEADER, f"<mechanisms xmlns='{SASL_NS}'><mechanism>PLAIN</mechanism></mechanisms>"),
        (HEADER.replace(f" id='{ID}'", ""), DIALBACK),
    ],
)
def test_no_way_to_authenticate(header: str, offered: str) -> None:
    core = secured(stream())
    answered = feed(core, header + features(offered))
    assert error(StreamCondition.UNSUPPORTED_FEATURE) in answered
    assert answered.endswith(END)
    assert refused(core).condition is StreamCondition.UNSUPPORTED_FEATURE


def refused(core: OutgoingStream) -> StreamError:
    found = of_type(core, Refused)
    assert len(found) == 1
    return found[0].error


def test_the_namespace_in_the_header_promises_dialback() -> None:
    core = secured(stream())
    header = HEADER.replace("<stream:stream", "<stream:stream xmlns:d='jabber:server:dialback'")
    assert feed(core, header + features()) == OUR_HEADER + RESULT


@pytest.mark.spec("NET-04")
def test_a_peer_without_tls_is_refused() -> None:
    core = stream()
    sent(core)
    answered = feed(core, HEADER + features(DIALBACK, EXTERNAL))
    assert answered.startswith(error(StreamCondition.POLICY_VIOLATION))
    assert refused(core).condition is StreamCondition.POLICY_VIOLATION


@pytest.mark.spec("NET-04")
def test_a_peer_from_before_tls_is_refused() -> None:
    core = stream()
    sent(core)
    answered = feed(core, HEADER.replace(" version='1.0'", ""))
    assert answered.startswith(error(StreamCondition.POLICY_VIOLATION))
    assert refused(core).condition is StreamCondition.POLICY_VIOLATION


def test_old_and_plain_peers_where_policy_allows() -> None:
    core = stream(LAX)
    sent(core)
    assert feed(core, HEADER.replace(" version='1.0'", "")) == RESULT
    core = stream(LAX)
    sent(core)
    assert feed(core, HEADER + features(EXTERNAL, DIALBACK)) == RESULT
    core = stream(LAX)
    sent(core)
    assert feed(core, HEADER + features(TLS, DIALBACK)) == STARTTLS


def test_an_old_peer_behind_direct_tls() -> None:
    core = stream(direct_tls=True)
    core.secured(TRUSTED, 0.0)
    assert feed(core, HEADER.replace(" version='1.0'", "")) == OUR_HEADER + RESULT


def test_a_restart_without_features() -> None:
    core = secured(stream())
    feed(core, HEADER + features(EXTERNAL))
    assert feed(core, SUCCESS + HEADER.replace(" version='1.0'", "")) == OUR_HEADER
    assert core.events() == [Ready()]


def test_direct_tls_says_nothing_before_it() -> None:
    core = stream(direct_tls=True)
    assert sent(core) == ""
    assert core.events() == [StartTls("example.net")]
    assert feed(core, HEADER + features(DIALBACK)) == ""
    core.secured(TRUSTED, 0.0)
    assert feed(core, HEADER + features(EXTERNAL)) == OUR_HEADER + AUTH


@pytest.mark.spec("NET-05")
def test_a_certificate_for_another_name_is_refused_where_one_is_required() -> None:
    core = secured(stream(STRICT), certificate("xmpp.example.net"))
    answered = sent(core)
    assert answered.startswith(OUR_HEADER + error(StreamCondition.NOT_AUTHORIZED))
    assert answered.endswith(END)
    assert refused(core).condition is StreamCondition.NOT_AUTHORIZED


def test_a_certificate_that_is_required_and_good() -> None:
    core = secured(stream(STRICT), TRUSTED)
    assert feed(core, HEADER + features(EXTERNAL)) == OUR_HEADER + AUTH


@pytest.mark.spec("NET-05")
def test_without_a_good_certificate_the_stream_goes_on_by_default() -> None:
    core = secured(stream(), NOBODY)
    assert feed(core, HEADER + features(DIALBACK)) == OUR_HEADER + RESULT


def test_tls_that_fails() -> None:
    core = stream()
    sent(core)
    feed(core, HEADER + features(TLS))
    assert feed(core, f"<failure xmlns='{TLS_NS}'/>").endswith(END)
    assert refused(core).condition is StreamCondition.POLICY_VIOLATION

    core = stream(direct_tls=True)
    core.closed(1.0, "handshake failure")
    events = core.events()
    assert [type(event) for event in events] == [StartTls, Refused, Ended]
    assert sent(core) == ""


def test_what_was_said_in_the_clear_does_not_count_after_tls() -> None:
    core = stream()
    sent(core)
    feed(core, HEADER + features(TLS))
    assert feed(core, PROCEED + HEADER + features(DIALBACK) + result("valid")) == ""
    assert core.events() == [StartTls("example.net")]
    core.secured(TRUSTED, 0.0)
    assert feed(core, HEADER + features(EXTERNAL)) == OUR_HEADER + AUTH


@pytest.mark.spec("NET-08")
def test_a_dialback_error_keeps_the_stream() -> None:
    core = dialling()
    text = (
        "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    )
    assert feed(core, result("error", text)) == ""
    events = core.events()
    assert [type(event) for event in events] == [Refused]
    assert isinstance(events[0], Refused)
    assert events[0].cause.condition is Condition.REMOTE_SERVER_TIMEOUT
    core.authenticate(1.0)
    assert sent(core) == RESULT
    feed(core, result("valid"))
    assert core.events() == [Ready()]


def test_an_invalid_key_ends_the_stream() -> None:
    core = dialling()
    assert feed(core, result("invalid")) == END
    found = of_type(core, Refused)
    assert [refusal.cause.condition for refusal in found] == [Condition.INTERNAL_SERVER_ERROR]
    feed(core, END)
    assert len(of_type(core, Ended)) == 1


@pytest.mark.spec("NET-09")
@pytest.mark.parametrize(
    "unasked",
    [
        result("valid").replace("from='example.net'", "from='other.example'"),
        result("valid").replace("to='im.example.com'", "to='other.example'"),
        result("valid").replace("from='example.net'", "from='a b'"),
        result("valid").replace(" type='valid'", ""),
        result("yes"),
        f"<db:verify {DB} id='x' type='valid'/>",
        f"<db:verify {DB} type='valid'/>",
    ],
)
def test_answers_that_match_nothing_are_ignored(unasked: str) -> None:
    core = dialling()
    assert feed(core, unasked) == ""
    assert core.events() == []
    feed(core, result("valid"))
    assert core.events() == [Ready()]
    assert feed(core, unasked) == ""
    assert core.events() == []


@pytest.mark.spec("NET-09")
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("id='417GAF25'", "id='417GAF26'"),
        ("id='417GAF25'", ""),
        ("to='im.example.com'", "to='other.example'"),
        ("from='example.net'", "from='other.example'"),
        ("from='example.net'", ""),
        ("type='valid'", "type='perhaps'"),
        ("type='valid'", ""),
    ],
)
def test_an_answer_to_another_question_is_ignored(ours: str, theirs: str) -> None:
    core = ready()
    core.verify(QUERY, 0.0)
    sent(core)
    assert feed(core, verdict("valid").replace(ours, theirs)) == ""
    assert core.events() == []
    feed(core, verdict("valid").replace("example.net", "EXAMPLE.net"))
    assert core.events() == [Verified(QUERY, valid=True)]


@pytest.mark.spec("NET-09")
def test_a_result_before_we_showed_a_key_is_ignored() -> None:
    core = secured(stream())
    assert feed(core, HEADER + result("valid")) == OUR_HEADER
    assert core.events() == []
    assert not core.ready


QUERY = VerifyQuery("im.example.com", "example.net", "417GAF25", "k3y")
ASKED = "<db:verify from='im.example.com' to='example.net' id='417GAF25'>k3y</db:verify>"


def verdict(type_: str, inside: str = "") -> str:
    return f"<db:verify {DB} id='417GAF25' type='{type_}'>{inside}</db:verify>"


@pytest.mark.spec("NET-07")
@pytest.mark.parametrize(("type_", "valid"), [("valid", True), ("invalid", False)])
def test_verify_only(type_: str, valid: bool) -> None:
    core = stream(verify_only=True)
    core.verify(QUERY, 0.0)
    secured(core)
    assert feed(core, HEADER + features(EXTERNAL, DIALBACK)) == OUR_HEADER + ASKED
    assert feed(core, verdict(type_)) == END
    assert core.events() == [Verified(QUERY, valid), Ended("all is verified")]


def test_verify_only_told_of_an_error() -> None:
    core = secured(stream(verify_only=True))
    feed(core, HEADER + features(DIALBACK))
    core.verify(QUERY, 0.0)
    assert sent(core) == ASKED
    feed(core, verdict("error", "<error type='cancel'/>"))
    found = of_type(core, Verified)
    assert [(each.valid, each.error and each.error.condition) for each in found] == [
        (False, Condition.REMOTE_SERVER_NOT_FOUND)
    ]


def test_verify_on_a_stream_in_use() -> None:
    core = ready()
    core.verify(QUERY, 0.0)
    core.verify(QUERY, 0.0)
    assert sent(core) == ASKED
    assert [each.valid for each in of_type(core, Verified)] == [False]
    feed(core, verdict("valid"))
    assert core.events() == [Verified(QUERY, valid=True)]
    feed(core, verdict("valid"))
    assert core.events() == []
    assert core.ready


def test_verify_fails_where_the_peer_finds_our_own_key_invalid() -> None:
    core = dialling()
    core.verify(QUERY, 0.0)
    feed(core, result("invalid"))
    feed(core, END)
    told = core.events()
    assert conditions(each for each in told if isinstance(each, Verified)) == [
        Condition.REMOTE_SERVER_TIMEOUT
    ]
    assert isinstance(told[-1], Ended)


def test_verify_waits_for_sasl() -> None:
    core = secured(stream())
    feed(core, HEADER + features(EXTERNAL))
    core.verify(QUERY, 0.0)
    assert sent(core) == ""
    assert feed(core, SUCCESS) == OUR_HEADER
    assert feed(core, HEADER + features()) == ASKED


def test_verify_takes_thirty_seconds_at_most() -> None:
    core = ready()
    core.verify(QUERY, 10.0)
    assert core.next_timer() == 40.0
    core.on_timer(39.9)
    assert core.events() == []
    core.on_timer(40.0)
    assert conditions(of_type(core, Verified)) == [Condition.REMOTE_SERVER_TIMEOUT]
    feed(core, verdict("valid"))
    assert core.events() == []


def conditions(found: Iterable[Verified]) -> list[Condition | None]:
    return [None if each.error is None else each.error.condition for each in found]


def test_verify_fails_with_its_stream() -> None:
    core = ready()
    core.verify(QUERY, 0.0)
    core.closed(1.0)
    assert conditions(of_type(core, Verified)) == [Condition.REMOTE_SERVER_TIMEOUT]
    core.verify(QUERY, 2.0)
    assert conditions(of_type(core, Verified)) == [Condition.REMOTE_SERVER_TIMEOUT]

    core = stream(verify_only=True)
    core.verify(QUERY, 0.0)
    feed(core, HEADER + f"<stream:error><host-unknown xmlns='{ERRORS_NS}'/></stream:error>")
    assert conditions(of_type(core, Verified)) == [Condition.REMOTE_SERVER_NOT_FOUND]


def test_the_number_of_questions_is_bounded() -> None:
    core = ready(Policy(max_pairs=2))
    for number in range(3):
        core.verify(VerifyQuery("im.example.com", "example.net", str(number), "k"), 0.0)
    assert conditions(of_type(core, Verified)) == [Condition.RESOURCE_CONSTRAINT]
    assert sent(core).count("<db:verify") == 2


def test_verify_asks_only_who_answers_for_the_domain() -> None:
    with pytest.raises(LocalError):
        stream().verify(VerifyQuery("im.example.com", "other.example", "1", "k"), 0.0)


@pytest.mark.spec("NET-13")
def test_the_limit_of_the_peer_is_obeyed() -> None:
    limit = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>200</max-bytes></limits>"
    core = ready(limits=limit)
    core.send(message("a@example.net", "b@im.example.com", children=()), 0.0)
    large = parse_document(f"<body xmlns='jabber:client'>{'é' * 80}</body>".encode())
    with pytest.raises(StanzaError) as caught:
        core.send(message("a@example.net", "b@im.example.com", children=(large,)), 0.0)
    assert caught.value.condition is Condition.POLICY_VIOLATION
    assert sent(core) == "<message from='b@im.example.com' to='a@example.net'/>"


def test_nothing_is_sent_before_it_may_be() -> None:
    core = dialling()
    with pytest.raises(LocalError):
        core.send(message("a@example.net", "b@im.example.com"), 0.0)
    with pytest.raises(LocalError):
        core.secured(TRUSTED, 0.0)
    with pytest.raises(LocalError):
        core.authenticate(0.0)
    with pytest.raises(LocalError):
        core.connected(0.0)
    core = ready()
    core.shut(None, 0.0)
    with pytest.raises(LocalError):
        core.send(message("a@example.net", "b@im.example.com"), 0.0)


def test_a_stanza_from_the_peer_is_told() -> None:
    core = ready()
    feed(core, "<message from='a@example.net' to='b@im.example.com'/>")
    assert core.events() == [
        StanzaArrived(message("b@im.example.com", "a@example.net"), "im.example.com", "example.net")
    ]


@pytest.mark.spec("NET-16")
def test_stanzas_leave_in_order() -> None:
    core = ready()
    for number in range(50):
        core.send(message("a@example.net", "b@im.example.com", id=str(number)), 0.0)
    printed = sent(core)
    assert [int(part.split("'")[0]) for part in printed.split(" id='")[1:]] == list(range(50))


@pytest.mark.parametrize(("peer", "host"), [(TRUSTED, "[2001:db8::1]:9222"), (NOBODY, "")])
def test_see_other_host_only_from_who_is_known(peer: Certificate, host: str) -> None:
    core = secured(stream(), peer)
    moved = f"<see-other-host xmlns='{ERRORS_NS}'>[2001:db8::1]:9222</see-other-host>"
    assert feed(core, HEADER + f"<stream:error>{moved}</stream:error>").endswith(END)
    assert [refusal.host for refusal in of_type(core, Refused)] == [host]


@pytest.mark.parametrize("when", [0, 1, 2])
def test_a_peer_that_leaves_early(when: int) -> None:
    core = stream()
    sent(core)
    for text in (HEADER, features(TLS))[:when]:
        feed(core, text)
    core.events()
    core.closed(1.0)
    assert [type(event) for event in core.events()] == [Refused, Ended]
    core.closed(2.0)
    core.on_timer(99.0)
    assert (feed(core, HEADER), core.events(), core.next_timer()) == ("", [], None)


@pytest.mark.spec("NET-15")
def test_a_silent_peer_is_given_thirty_seconds() -> None:
    core = stream()
    feed(core, HEADER)
    assert core.next_timer() == 30.0
    core.on_timer(30.0)
    assert sent(core).startswith(error(StreamCondition.CONNECTION_TIMEOUT))
    assert refused(core).condition is StreamCondition.CONNECTION_TIMEOUT
    assert core.next_timer() == 35.0
    core.on_timer(35.0)
    assert len(of_type(core, Ended)) == 1
    assert core.next_timer() is None


def test_a_peer_that_is_silent_during_tls_just_ends() -> None:
    core = stream(direct_tls=True)
    core.on_timer(30.0)
    assert sent(core) == ""
    assert [type(event) for event in core.events()] == [StartTls, Refused, Ended]


@pytest.mark.spec("NET-15")
def test_a_space_each_minute_in_which_nothing_was_sent() -> None:
    core = ready()
    assert core.next_timer() == 60.0
    core.on_timer(60.0)
    assert sent(core) == " "
    core.send(message("a@example.net", "b@im.example.com"), 0.0)
    sent(core)
    core.on_timer(120.0)
    assert sent(core) == ""
    core.on_timer(180.0)
    assert sent(core) == " "


@pytest.mark.spec("NET-13")
@pytest.mark.parametrize(("told", "pause"), [("30", 15.0), ("600", 60.0), ("1", 5.0), ("x", 60.0)])
def test_signs_of_life_are_as_frequent_as_the_peer_needs(told: str, pause: float) -> None:
    """XEP-0478 §4: what the peer closes for silence is kept open."""
    limits = (
        f"<limits xmlns='urn:xmpp:stream-limits:0'><idle-seconds>{told}</idle-seconds></limits>"
    )
    core = ready(limits=limits)
    assert core.next_timer() == pause
    core.on_timer(pause)
    assert sent(core) == " "
    assert core.next_timer() == 2 * pause


def test_an_unused_stream_is_closed() -> None:
    core = ready(Policy(idle=180.0))
    for now in (60.0, 120.0):
        core.on_timer(now)
        assert sent(core) == " "
    core.on_timer(180.0)
    assert sent(core) == END
    assert not core.ready
    assert core.closing
    core.on_timer(185.0)
    assert core.events() == [Ended("unused")]


# Every cell of the table ----------------------------------------------------------------------

SAMPLES = {
    Input.FEATURES: features(DIALBACK),
    Input.PROCEED: PROCEED,
    Input.NO_TLS: f"<failure xmlns='{TLS_NS}'/>",
    Input.SUCCESS: SUCCESS,
    Input.NO_SASL: NO_SASL,
    Input.CHALLENGE: f"<challenge xmlns='{SASL_NS}'/>",
    Input.RESULT: result("valid"),
    Input.VERIFY: verdict("valid"),
    Input.ENABLED: "<enabled xmlns='urn:xmpp:sm:3'/>",
    Input.RESUMED: "<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='0'/>",
    Input.UNMANAGED: "<failed xmlns='urn:xmpp:sm:3'/>",
    Input.REQUEST: "<r xmlns='urn:xmpp:sm:3'/>",
    Input.ANSWER: "<a xmlns='urn:xmpp:sm:3' h='0'/>",
    Input.STANZA: "<iq from='example.net' to='im.example.com' type='get' id='1'/>",
    Input.OTHER: "<unknown xmlns='urn:x'/>",
}
LEGAL = {
    State.FEATURES: {Input.FEATURES},
    State.PROCEED: {Input.PROCEED, Input.NO_TLS},
    State.SASL: {Input.SUCCESS, Input.NO_SASL, Input.CHALLENGE},
    State.DIALBACK: {Input.FEATURES},
    State.OPEN: {Input.FEATURES},
    State.RESUMING: {Input.RESUMED, Input.UNMANAGED},
    State.READY: {Input.FEATURES, Input.STANZA, Input.ENABLED, Input.UNMANAGED},
}


def at(state: State) -> OutgoingStream:
    """Return a core in a state, with nothing left to send or tell."""
    if state in {State.FEATURES, State.PROCEED}:
        core = stream()
        feed(core, HEADER + (features(TLS) if state is State.PROCEED else ""))
    elif state is State.SECURING:
        core = stream(direct_tls=True)
    elif state is State.SASL:
        core = secured(stream())
        feed(core, HEADER + features(EXTERNAL, DIALBACK))
    elif state is State.RESUMING:
        core = secured(stream(past=session()))
        feed(core, HEADER + features(EXTERNAL) + SUCCESS + HEADER + features(SM))
    else:
        core = dialling()
        answers = {State.OPEN: result("error"), State.READY: result("valid")}
        feed(core, answers.get(state, ""))
    sent(core)
    core.events()
    assert core._state is state
    return core


@pytest.mark.parametrize("kind", Input)
@pytest.mark.parametrize("state", [state for state in State if state is not State.HEADER])
def test_every_cell_is_legal_or_refused(state: State, kind: Input) -> None:
    core = at(state)
    answered = feed(core, SAMPLES[kind])
    events = core.events()
    if state is State.SECURING:
        assert (answered, events) == ("", [])
    elif kind in LEGAL[state] | {Input.RESULT, Input.VERIFY}:
        assert error(StreamCondition.UNSUPPORTED_STANZA_TYPE) not in answered
    else:
        assert answered.startswith(error(StreamCondition.UNSUPPORTED_STANZA_TYPE))
        refusals = [event for event in events if isinstance(event, Refused)]
        assert len(refusals) == (state not in {State.OPEN, State.READY})
