"""Streams that we accept: RFC 6120 §9.2 and XEP-0220 §2.2 as conversations, every table cell."""

from dataclasses import dataclass
from itertools import count

import pytest

from dragoman.errors import LocalError
from dragoman.xmpp import dialback
from dragoman.xmpp.dialback import VerifyQuery
from dragoman.xmpp.failure import Condition, StanzaError, StreamCondition
from dragoman.xmpp.s2s_in import (
    MOST_UNPROVEN,
    AskedFor,
    IncomingStream,
    Input,
    Paired,
    State,
    VerifyWanted,
)
from dragoman.xmpp.s2s_out import OutgoingStream, Verified
from dragoman.xmpp.stanza import message
from dragoman.xmpp.stream import Ended, Policy, Ready, Refused, StanzaArrived, StartTls
from tests.xmpp.wire import (
    END,
    LAX,
    NOBODY,
    SASL_NS,
    STREAM_NS,
    STRICT,
    TLS_NS,
    Certificate,
    Pipe,
    certificate,
    error,
    feed,
    of_type,
    sent,
)

SECRET = b"d14lb4ck43v3r"
LOCAL, REMOTE = "example.net", "im.example.com"
TRUSTED = certificate(REMOTE)

HEADER = (
    f"<?xml version='1.0'?><stream:stream from='{REMOTE}' to='{LOCAL}' version='1.0'"
    f" xmlns='jabber:server' xmlns:stream='{STREAM_NS}'>"
)
TLS = f"<starttls xmlns='{TLS_NS}'><required/></starttls>"
STARTTLS = f"<starttls xmlns='{TLS_NS}'/>"
PROCEED = f"<proceed xmlns='{TLS_NS}'/>"
EXTERNAL = f"<mechanisms xmlns='{SASL_NS}'><mechanism>EXTERNAL</mechanism></mechanisms>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
LIMITS = (
    "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes>"
    "<idle-seconds>900</idle-seconds></limits>"
)
BIDI_OFFER = "<bidi xmlns='urn:xmpp:features:bidi'/>"
BIDI = "<bidi xmlns='urn:xmpp:bidi'/>"
SM = "<sm xmlns='urn:xmpp:sm:3'/>"
SUCCESS = f"<success xmlns='{SASL_NS}'/>"
DB = "xmlns:db='jabber:server:dialback'"
KEY = f"<db:result {DB} from='{REMOTE}' to='{LOCAL}'>k3y</db:result>"
VERIFY = f"<db:verify {DB} from='{REMOTE}' to='{LOCAL}' id='1'>k</db:verify>"
QUERY = VerifyQuery(LOCAL, REMOTE, "id2", "k3y")
VALID = f"<db:result from='{LOCAL}' to='{REMOTE}' type='valid'/>"
MESSAGE = f"<message from='juliet@{REMOTE}/balcony' to='romeo@{LOCAL}'/>"
ARRIVED = StanzaArrived(message(f"romeo@{LOCAL}", f"juliet@{REMOTE}/balcony"), LOCAL, REMOTE)


def header(identifier: str, local: str = LOCAL, remote: str = REMOTE) -> str:
    """Return our response header."""
    return (
        f"<?xml version='1.0'?><stream:stream from='{local}' id='{identifier}' to='{remote}'"
        f" version='1.0' xml:lang='en' xmlns='jabber:server' xmlns:stream='{STREAM_NS}'"
        " xmlns:db='jabber:server:dialback'>"
    )


def features(*offered: str) -> str:
    return f"<stream:features>{''.join(offered)}</stream:features>"


def auth(text: str, mechanism: str = "EXTERNAL") -> str:
    return f"<auth xmlns='{SASL_NS}' mechanism='{mechanism}'>{text}</auth>"


def failure(condition: str) -> str:
    return f"<failure xmlns='{SASL_NS}'><{condition}/></failure>"


def db_error(condition: Condition, tag: str = "db:result") -> str:
    """Return how a dialback error of ours ends."""
    return f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{tag}>"


def stream(policy: Policy | None = None, *, direct_tls: bool = False) -> IncomingStream:
    numbers = count(1)
    core = IncomingStream(
        policy=policy or Policy(),
        secret=SECRET,
        token=lambda: f"id{next(numbers)}",
        direct_tls=direct_tls,
    )
    core.connected(0.0)
    return core


def greeted(core: IncomingStream, text: str = HEADER, *, bytewise: bool = False) -> str:
    """Feed a header to a core that serves every domain; return what it sends."""
    answered = feed(core, text, bytewise=bytewise)
    for asked in of_type(core, AskedFor):
        core.hosted(asked.domain, yes=True, now=0.0)
    return answered + sent(core)


def secured(core: IncomingStream, peer: Certificate = TRUSTED) -> IncomingStream:
    """Take a core through STARTTLS, to the second header."""
    assert greeted(core) == header("id1") + features(TLS)
    assert feed(core, STARTTLS) == PROCEED
    assert core.events() == [StartTls(LOCAL)]
    core.secured(peer, 0.0)
    return core


def opened(policy: Policy | None = None, peer: Certificate = TRUSTED) -> IncomingStream:
    """Return a core that has offered what there is to authenticate by."""
    core = secured(stream(policy), peer)
    feed(core, HEADER)
    return core


def ready(policy: Policy | None = None) -> IncomingStream:
    """Return a core on which the pair is authenticated, by dialback."""
    core = opened(policy)
    feed(core, KEY)
    assert core.events() == [VerifyWanted(QUERY)]
    core.verified(QUERY, valid=True, now=0.0)
    assert sent(core) == VALID
    assert core.events() == [Paired(LOCAL, REMOTE)]
    return core


@pytest.mark.spec("NET-06")
@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("authzid", ["=", "aW0uZXhhbXBsZS5jb20="])
def test_the_server_to_server_example(bytewise: bool, authzid: str) -> None:
    """RFC 6120 §9.2, as Server2; Prosody and ejabberd send their domain for "="."""
    core = stream()
    assert greeted(core, bytewise=bytewise) == header("id1") + features(TLS)
    assert feed(core, STARTTLS, bytewise=bytewise) == PROCEED
    assert core.events() == [StartTls(LOCAL)]
    core.secured(TRUSTED, 1.0)
    offered = features(EXTERNAL, DIALBACK, BIDI_OFFER, LIMITS)
    assert feed(core, HEADER, bytewise=bytewise) == header("id2") + offered
    assert feed(core, auth(authzid), bytewise=bytewise) == SUCCESS
    assert core.events() == [Paired(LOCAL, REMOTE)]
    answered = feed(core, HEADER + MESSAGE, bytewise=bytewise)
    assert answered == header("id3") + features(DIALBACK, SM, LIMITS)
    assert core.events() == [ARRIVED]
    assert feed(core, END, bytewise=bytewise) == END
    assert core.events() == [Ended("closed by the peer")]


@pytest.mark.spec("NET-04")
def test_encryption_comes_first() -> None:
    core = stream()
    greeted(core)
    assert feed(core, auth("=")) == failure("encryption-required")
    for text in (KEY, VERIFY):
        answered = feed(core, text)
        assert " type='error'><error type='modify'><policy-violation xmlns=" in answered
    assert core.events() == []


def test_encryption_may_be_left_to_the_peer() -> None:
    core = stream(LAX)
    offered = features(STARTTLS, DIALBACK, BIDI_OFFER, LIMITS)
    assert greeted(core) == header("id1") + offered
    feed(core, KEY)
    assert of_type(core, VerifyWanted) == [VerifyWanted(VerifyQuery(LOCAL, REMOTE, "id1", "k3y"))]
    core = stream(LAX)
    greeted(core)
    assert feed(core, STARTTLS) == PROCEED


def test_tls_inside_tls_fails() -> None:
    core = opened()
    assert feed(core, STARTTLS) == f"<failure xmlns='{TLS_NS}'/>{END}"


@pytest.mark.parametrize("policy", [Policy(), LAX])
def test_a_stream_from_before_features(policy: Policy) -> None:
    core = stream(policy)
    answered = greeted(core, HEADER.replace(" version='1.0' xmlns", " xmlns"))
    assert " version='1.0' xml:lang" not in answered
    if policy.require_encryption:
        assert error(StreamCondition.POLICY_VIOLATION) in answered
    else:
        assert answered.endswith(">")
        assert "features" not in answered
        feed(core, KEY)
        assert len(of_type(core, VerifyWanted)) == 1


def test_direct_tls() -> None:
    core = stream(direct_tls=True)
    assert core.events() == [StartTls("")]
    assert feed(core, HEADER) == ""
    assert core.events() == []
    core.secured(TRUSTED, 0.0)
    assert greeted(core) == header("id1") + features(EXTERNAL, DIALBACK, BIDI_OFFER, LIMITS)


def test_what_was_said_in_the_clear_does_not_count_after_tls() -> None:
    core = stream()
    greeted(core)
    assert feed(core, STARTTLS + HEADER + KEY + MESSAGE) == PROCEED
    assert core.events() == [StartTls(LOCAL)]
    core.secured(NOBODY, 0.0)
    assert feed(core, HEADER) == header("id2") + features(DIALBACK, BIDI_OFFER, LIMITS)
    assert core.events() == []


@pytest.mark.spec("NET-14")
@pytest.mark.parametrize("bytewise", [False, True])
def test_an_unknown_host(bytewise: bool) -> None:
    core = stream()
    assert feed(core, HEADER + STARTTLS, bytewise=bytewise) == ""
    assert core.events() == [AskedFor(LOCAL)]
    core.hosted("other.example", yes=True, now=0.0)
    assert sent(core) == ""
    core.hosted(LOCAL, yes=False, now=0.0)
    answered = sent(core)
    assert answered.startswith(header("id1", local="") + error(StreamCondition.HOST_UNKNOWN))
    assert answered.endswith(END)
    feed(core, END)
    assert [event.error and event.error.condition for event in of_type(core, Ended)] == [
        StreamCondition.HOST_UNKNOWN
    ]


def test_input_waits_for_the_answer_whether_the_host_is_ours() -> None:
    core = stream(LAX)
    assert feed(core, HEADER + KEY[:20]) == ""
    assert feed(core, KEY[20:] + "<db:") == ""
    core.hosted(LOCAL, yes=True, now=0.0)
    assert sent(core) == header("id1") + features(STARTTLS, DIALBACK, BIDI_OFFER, LIMITS)
    assert len(of_type(core, VerifyWanted)) == 1


@pytest.mark.spec("NET-14")
@pytest.mark.parametrize("bytewise", [False, True])
def test_input_that_waits_is_bounded(bytewise: bool) -> None:
    core = stream(Policy(max_held=1000))
    feed(core, HEADER + " " * 1000, bytewise=bytewise)
    assert sent(core) == ""
    assert error(StreamCondition.RESOURCE_CONSTRAINT) in feed(core, " ", bytewise=bytewise)
    core.hosted(LOCAL, yes=True, now=0.0)
    assert sent(core) == ""


@pytest.mark.spec("NET-14")
@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (HEADER.replace(f" to='{LOCAL}'", ""), StreamCondition.IMPROPER_ADDRESSING),
        (HEADER.replace(f"to='{LOCAL}'", "to='a@b'"), StreamCondition.IMPROPER_ADDRESSING),
        (HEADER.replace(f"from='{REMOTE}'", "from='/'"), StreamCondition.IMPROPER_ADDRESSING),
        (HEADER.replace("jabber:server'", "jabber:client'"), StreamCondition.INVALID_NAMESPACE),
        (
            HEADER.replace("version='1.0' xmlns", "version='x' xmlns"),
            StreamCondition.UNSUPPORTED_VERSION,
        ),
        (HEADER.replace(STREAM_NS, "urn:wrong"), StreamCondition.INVALID_NAMESPACE),
        ("<?xml version='1.0' encoding='UTF-16'?>", StreamCondition.UNSUPPORTED_ENCODING),
        ("GET / HTTP/1.1\r\n\r\n", StreamCondition.NOT_WELL_FORMED),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]>", StreamCondition.RESTRICTED_XML),
        (HEADER + "<!-- -->", StreamCondition.RESTRICTED_XML),
        (HEADER + "<a></b>", StreamCondition.NOT_WELL_FORMED),
    ],
)
@pytest.mark.parametrize("bytewise", [False, True])
def test_what_is_wrong_with_the_beginning_is_told(
    text: str, condition: StreamCondition, bytewise: bool
) -> None:
    core = stream()
    answered = feed(core, text + "<a>" * 9, bytewise=bytewise)
    for asked in of_type(core, AskedFor):
        core.hosted(asked.domain, yes=True, now=0.0)
    answered += sent(core)
    assert answered.startswith("<?xml version='1.0'?><stream:stream ")
    assert error(condition) in answered
    assert answered.count("<stream:stream ") == 1
    assert answered.endswith(END)


def test_an_omitted_name_is_what_it_was() -> None:
    core = secured(stream())
    bare = HEADER.replace(f"from='{REMOTE}' to='{LOCAL}' ", "")
    assert feed(core, bare) == header("id2") + features(EXTERNAL, DIALBACK, BIDI_OFFER, LIMITS)


def test_a_name_that_changes_is_refused() -> None:
    core = secured(stream())
    answered = feed(core, HEADER.replace(LOCAL, "example.org"))
    assert error(StreamCondition.IMPROPER_ADDRESSING) in answered


def test_another_from_after_external_is_refused() -> None:
    core = opened()
    feed(core, auth("="))
    answered = feed(core, HEADER.replace(REMOTE, "other.example"))
    assert error(StreamCondition.INVALID_FROM) in answered


@pytest.mark.spec("NET-05")
@pytest.mark.parametrize(
    ("policy", "peer", "offered"),
    [
        (Policy(), TRUSTED, (EXTERNAL, DIALBACK, BIDI_OFFER, LIMITS)),
        (Policy(), certificate("xmpp.im.example.com"), (DIALBACK, BIDI_OFFER, LIMITS)),
        (STRICT, TRUSTED, (EXTERNAL, DIALBACK, BIDI_OFFER, LIMITS)),
        (STRICT, NOBODY, None),
    ],
)
def test_external_only_for_who_is_named_in_the_certificate(
    policy: Policy, peer: Certificate, offered: tuple[str, ...] | None
) -> None:
    core = secured(stream(policy), peer)
    answered = feed(core, HEADER)
    if offered is None:
        assert answered.startswith(header("id2") + error(StreamCondition.NOT_AUTHORIZED))
    else:
        assert answered == header("id2") + features(*offered)


@pytest.mark.spec("NET-06")
@pytest.mark.parametrize(
    ("sasl", "condition"),
    [
        (auth("AGEAYg==", "PLAIN"), "invalid-mechanism"),
        (auth(""), "malformed-request"),
        (auth("!"), "incorrect-encoding"),
        (auth("/w=="), "incorrect-encoding"),
        (auth("b3RoZXIuZXhhbXBsZQ=="), "invalid-authzid"),
        (auth("anVsaWV0QGltLmV4YW1wbGUuY29t"), "invalid-authzid"),
    ],
)
def test_external_that_fails_leaves_dialback(sasl: str, condition: str) -> None:
    core = opened()
    assert feed(core, sasl) == failure(condition)
    assert core.events() == []
    feed(core, KEY)
    assert core.events() == [VerifyWanted(QUERY)]


def test_external_without_the_certificate() -> None:
    core = opened(peer=NOBODY)
    assert feed(core, auth("=")) == failure("invalid-mechanism")
    assert core.pairs == frozenset()


def test_attempts_are_bounded() -> None:
    core = opened(Policy(max_refusals=3))
    answered = feed(core, auth("!") * 5)
    assert answered.count(failure("incorrect-encoding")) == 3
    assert error(StreamCondition.POLICY_VIOLATION) in answered


# Dialback -------------------------------------------------------------------------------------


@pytest.mark.spec("NET-07")
def test_the_receiving_server() -> None:
    core = ready()
    feed(core, MESSAGE)
    assert core.events() == [ARRIVED]


def test_keys_shown_before_external_are_forgotten() -> None:
    core = opened()
    assert feed(core, KEY + auth("=")) == SUCCESS
    core.verified(QUERY, valid=True, now=0.0)
    core.on_timer(30.0)
    assert sent(core) == ""
    assert core.events() == [VerifyWanted(QUERY), Paired(LOCAL, REMOTE)]


@pytest.mark.spec("NET-07")
def test_an_invalid_key_closes_the_stream() -> None:
    core = opened()
    feed(core, KEY)
    core.verified(QUERY, valid=False, now=0.0)
    assert sent(core) == f"<db:result from='{LOCAL}' to='{REMOTE}' type='invalid'/>{END}"
    feed(core, MESSAGE)
    assert of_type(core, StanzaArrived) == []


@pytest.mark.spec("NET-08")
def test_an_error_keeps_the_stream() -> None:
    core = opened()
    feed(core, KEY)
    core.verified(QUERY, False, 0.0, StanzaError(Condition.REMOTE_SERVER_NOT_FOUND))
    assert sent(core).endswith(db_error(Condition.REMOTE_SERVER_NOT_FOUND))
    core.events()
    feed(core, KEY)
    core.verified(QUERY, valid=True, now=0.0)
    assert sent(core) == VALID


@pytest.mark.spec("NET-08")
def test_a_second_pair_that_fails_leaves_the_first() -> None:
    core = ready()
    feed(core, KEY.replace(REMOTE, "chat.example.com"))
    (wanted,) = of_type(core, VerifyWanted)
    core.verified(wanted.query, valid=False, now=0.0)
    assert sent(core).endswith(db_error(Condition.FORBIDDEN))
    feed(core, MESSAGE)
    assert core.events() == [ARRIVED]


def test_several_pairs_on_one_stream() -> None:
    core = ready()
    feed(core, KEY.replace(LOCAL, "rooms.example.net") + MESSAGE)
    assert core.events() == [AskedFor("rooms.example.net")]
    core.hosted("rooms.example.net", yes=True, now=0.0)
    query = VerifyQuery("rooms.example.net", REMOTE, "id2", "k3y")
    assert core.events() == [ARRIVED, VerifyWanted(query)][::-1]
    core.verified(query, valid=True, now=0.0)
    assert core.events() == [Paired("rooms.example.net", REMOTE)]
    feed(core, MESSAGE.replace(LOCAL, "rooms.example.net"))
    assert [event.local for event in of_type(core, StanzaArrived)] == ["rooms.example.net"]
    assert core.pairs == {(LOCAL, REMOTE), ("rooms.example.net", REMOTE)}


@pytest.mark.parametrize("bytewise", [False, True])
def test_questions_are_put_one_after_the_other(bytewise: bool) -> None:
    core = ready()
    rooms, files = (KEY.replace(LOCAL, f"{name}.example.net") for name in ("rooms", "files"))
    feed(core, rooms + files + MESSAGE, bytewise=bytewise)
    feed(core, MESSAGE, bytewise=bytewise)
    assert core.events() == [AskedFor("rooms.example.net")]
    core.hosted("rooms.example.net", yes=False, now=0.0)
    assert core.events() == [AskedFor("files.example.net")]
    assert feed(core, MESSAGE, bytewise=bytewise).count("type='error'") == 1
    core.hosted("files.example.net", yes=False, now=0.0)
    assert core.events() == [ARRIVED, ARRIVED, ARRIVED]
    assert sent(core).count("type='error'") == 1


def test_nothing_counts_after_what_ended_the_stream() -> None:
    core = ready()
    feed(core, END + MESSAGE)
    assert [type(event) for event in core.events()] == [Ended]
    core = ready()
    feed(core, f"<stream:error/>{MESSAGE}{END}")
    assert [type(event) for event in core.events()] == [Ended]


@pytest.mark.spec("NET-08")
def test_dialback_to_a_host_that_is_not_ours() -> None:
    core = ready()
    feed(core, KEY.replace(LOCAL, "other.example"))
    core.hosted("other.example", yes=False, now=0.0)
    answered = sent(core)
    assert answered.startswith(f"<db:result from='other.example' to='{REMOTE}' type='error'>")
    assert answered.endswith(db_error(Condition.ITEM_NOT_FOUND))


def test_dialback_of_a_domain_that_needs_a_certificate() -> None:
    core = opened(Policy(require_certificate=lambda domain: domain == "bank.example"))
    assert feed(core, KEY.replace(REMOTE, "bank.example")).endswith(
        db_error(Condition.NOT_AUTHORIZED)
    )
    feed(core, KEY)
    assert core.events() == [VerifyWanted(QUERY)]


def test_keys_that_come_again() -> None:
    core = opened()
    assert feed(core, KEY + KEY) == ""
    assert core.events() == [VerifyWanted(QUERY)]
    core.verified(QUERY, valid=True, now=0.0)
    core.verified(QUERY, valid=True, now=0.0)
    assert sent(core) == VALID
    assert feed(core, KEY) == VALID
    assert core.events() == [Paired(LOCAL, REMOTE)]


def test_pairs_are_bounded() -> None:
    core = ready(Policy(max_pairs=3))
    for number in range(3):
        answered = feed(core, KEY.replace(REMOTE, f"d{number}.example"))
    assert answered.endswith(db_error(Condition.RESOURCE_CONSTRAINT))
    assert len(of_type(core, VerifyWanted)) == 2


def test_spellings_that_are_remembered_are_bounded() -> None:
    core = ready(Policy(max_pairs=2))
    for bits in range(64):
        name = "".join(
            letter.upper() if bits >> at & 1 else letter for at, letter in enumerate("example")
        )
        feed(core, MESSAGE.replace(LOCAL, f"{name}.net"))
    assert {(event.local, event.remote) for event in of_type(core, StanzaArrived)} == {
        (LOCAL, REMOTE)
    }
    assert len(core._spelled) <= 9


@pytest.mark.spec("NET-09")
@pytest.mark.parametrize("type_", ["valid", "invalid", "error", ""])
@pytest.mark.parametrize("tag", ["result", "verify"])
def test_answers_that_nobody_asked_for_are_ignored(tag: str, type_: str) -> None:
    text = f"<db:{tag} {DB} from='{REMOTE}' to='{LOCAL}' id='id2' type='{type_}'/>"
    for core in (opened(), ready()):
        assert feed(core, text) == ""
        assert core.events() == []
    core = opened()
    feed(core, text)
    answered = feed(core, MESSAGE)
    assert error(StreamCondition.NOT_AUTHORIZED) in answered


@pytest.mark.spec("NET-09")
def test_a_verdict_on_another_question_is_dropped() -> None:
    core = opened()
    feed(core, KEY)
    for other in (
        VerifyQuery(LOCAL, REMOTE, "id1", "k3y"),
        VerifyQuery(LOCAL, REMOTE, "id2", "other"),
        VerifyQuery(LOCAL, "other.example", "id2", "k3y"),
    ):
        core.verified(other, valid=True, now=0.0)
    assert sent(core) == ""
    assert core.pairs == frozenset()


@pytest.mark.spec("NET-15")
def test_a_verdict_is_waited_for_thirty_seconds() -> None:
    core = opened()
    feed(core, KEY, now=10.0)
    core.on_timer(39.0)
    assert sent(core) == ""
    core.on_timer(40.0)
    assert sent(core).endswith(db_error(Condition.REMOTE_SERVER_TIMEOUT))
    core.verified(QUERY, valid=True, now=41.0)
    assert sent(core) == ""
    core.on_timer(70.0)
    assert error(StreamCondition.CONNECTION_TIMEOUT) in sent(core)


@pytest.mark.spec("NET-07")
def test_the_authoritative_server() -> None:
    """XEP-0220 examples 5 to 8: stateless, and before the peer is authenticated."""
    key = "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"
    verify = "<db:verify {db} from='capulet.example' id='417GAF25' to='{to}'>\n{key}\n</db:verify>"
    core = stream(LAX)
    greeted(core, HEADER.replace(LOCAL, "montague.example").replace(REMOTE, "capulet.example"))
    ours = "montague.example"

    def asked(to: str, shown: str) -> str:
        return feed(core, verify.format(db=DB, to=to, key=shown))

    def told(to: str, verdict: str) -> str:
        return f"<db:verify from='{to}' to='capulet.example' id='417GAF25' type='{verdict}'"

    assert asked(ours, key).startswith(told(ours, "valid"))
    assert asked(ours, key[:-1] + "e").startswith(told(ours, "invalid"))
    assert asked("rooms.montague.example", key) == ""
    core.hosted("rooms.montague.example", yes=True, now=0.0)
    assert "type='invalid'" in sent(core)
    assert asked("other.example", key) == ""
    core.hosted("other.example", yes=False, now=0.0)
    assert db_error(Condition.ITEM_NOT_FOUND, "db:verify") in sent(core)
    assert core.pairs == frozenset()


@pytest.mark.parametrize("bad", ["from='a b'", "from=''", ""])
@pytest.mark.parametrize("tag", ["result", "verify"])
def test_dialback_without_addresses(tag: str, bad: str) -> None:
    core = opened()
    answered = feed(core, f"<db:{tag} {DB} {bad} to='{LOCAL}' id='1'>k</db:{tag}>")
    assert error(StreamCondition.IMPROPER_ADDRESSING) in answered


@pytest.mark.parametrize("prefix", ["db", "d", "stream2"])
def test_any_prefix_will_do_for_dialback(prefix: str) -> None:
    core = opened()
    declared = KEY.replace("db:", f"{prefix}:").replace("xmlns:db", f"xmlns:{prefix}")
    feed(core, declared.replace(f"<xmlns:{prefix}", f"<{prefix}"))
    assert core.events() == [VerifyWanted(QUERY)]
    core = opened()
    feed(core, f"<result xmlns='jabber:server:dialback' from='{REMOTE}' to='{LOCAL}'>k3y</result>")
    assert core.events() == [VerifyWanted(QUERY)]


# Stanzas --------------------------------------------------------------------------------------


@pytest.mark.spec("NET-12")
@pytest.mark.parametrize("state", ["plain", "open", "pending"])
@pytest.mark.parametrize("text", [MESSAGE, "<iq type='get'/>", "<a xmlns='urn:x'/>", "<message/>"])
def test_nothing_before_authentication(state: str, text: str) -> None:
    if state == "plain":
        core = stream()
        greeted(core)
    else:
        core = opened()
        feed(core, KEY if state == "pending" else "")
    answered = feed(core, text + MESSAGE)
    assert answered.startswith(error(StreamCondition.NOT_AUTHORIZED))
    assert of_type(core, StanzaArrived) == []


@pytest.mark.spec("NET-10")
@pytest.mark.parametrize(
    ("from_", "to", "condition"),
    [
        ("juliet@other.example", f"romeo@{LOCAL}", StreamCondition.INVALID_FROM),
        (f"{REMOTE}@other.example/{REMOTE}", f"romeo@{LOCAL}", StreamCondition.INVALID_FROM),
        (f"other.example/x@{REMOTE}", f"romeo@{LOCAL}", StreamCondition.INVALID_FROM),
        (f"a@b@{REMOTE}", f"romeo@{LOCAL}", StreamCondition.INVALID_FROM),
        ("@", f"romeo@{LOCAL}", StreamCondition.INVALID_FROM),
        (f"juliet@sub.{REMOTE}", f"romeo@{LOCAL}", StreamCondition.INVALID_FROM),
        (f"juliet@{REMOTE}", "romeo@other.example", StreamCondition.HOST_UNKNOWN),
        (f"juliet@{REMOTE}", f"romeo@other.example/{LOCAL}", StreamCondition.HOST_UNKNOWN),
        (f"juliet@{REMOTE}", "", StreamCondition.IMPROPER_ADDRESSING),
        ("", f"romeo@{LOCAL}", StreamCondition.IMPROPER_ADDRESSING),
    ],
)
def test_addresses_that_end_the_stream(from_: str, to: str, condition: StreamCondition) -> None:
    core = ready()
    answered = feed(core, f"<message from='{from_}' to='{to}'/>" + MESSAGE)
    assert answered.startswith(error(condition))
    assert of_type(core, StanzaArrived) == []


@pytest.mark.spec("NET-10")
def test_addresses_that_are_left_out() -> None:
    for text in (f"<presence to='{LOCAL}'/>", f"<presence from='{REMOTE}'/>"):
        assert feed(ready(), text).startswith(error(StreamCondition.IMPROPER_ADDRESSING))


@pytest.mark.parametrize(
    ("from_", "to"),
    [
        (REMOTE, LOCAL),
        ("IM.Example.COM", "EXAMPLE.net/a@b/c"),
        (f"juliet@{REMOTE}/other.example", f"\u2001@{LOCAL}"),
    ],
)
def test_addresses_whose_domains_are_good(from_: str, to: str) -> None:
    core = ready()
    assert feed(core, f"<message from='{from_}' to='{to}'/>") == ""
    (arrived,) = of_type(core, StanzaArrived)
    assert (arrived.local, arrived.remote) == (LOCAL, REMOTE)
    assert arrived.element.attributes == {"from": from_, "to": to}


@pytest.mark.spec("NET-14")
def test_what_is_no_stanza_ends_the_stream() -> None:
    core = ready()
    answered = feed(core, f"<a xmlns='urn:x' from='{REMOTE}' to='{LOCAL}'/>")
    assert answered.startswith(error(StreamCondition.UNSUPPORTED_STANZA_TYPE))


@pytest.mark.spec("NET-16")
def test_stanzas_arrive_in_order_also_before_a_fault() -> None:
    core = ready()
    text = "".join(
        f"<iq type='get' id='{number}' from='{REMOTE}' to='{LOCAL}'/>" for number in range(40)
    )
    answered = feed(core, text + "<!-- -->")
    arrived = of_type(core, StanzaArrived)
    assert [event.element.get("id") for event in arrived] == [str(number) for number in range(40)]
    assert error(StreamCondition.RESTRICTED_XML) in answered


# Limits ---------------------------------------------------------------------------------------


def padded(size: int) -> str:
    """Return a stanza of so many bytes."""
    text = MESSAGE.replace("/>", "><body></body></message>")
    return text.replace("<body>", "<body>" + "x" * (size - len(text)))


@pytest.mark.spec("NET-13")
@pytest.mark.parametrize("bytewise", [False, True])
def test_ten_thousand_bytes_before_authentication(bytewise: bool) -> None:
    core = opened()
    key = "k" * (10_000 - len(KEY) + 3)
    assert feed(core, KEY.replace("k3y", key), bytewise=bytewise) == ""
    (wanted,) = of_type(core, VerifyWanted)
    assert wanted.query.key == key
    core = opened()
    answered = feed(core, KEY.replace("k3y", key + "k"), bytewise=bytewise)
    assert answered.startswith(error(StreamCondition.POLICY_VIOLATION))
    assert of_type(core, VerifyWanted) == []


@pytest.mark.spec("NET-13")
def test_stanzas_up_to_the_limit_after_it() -> None:
    core = ready(Policy(max_stanza=20_000))
    feed(core, padded(10_000) + padded(20_000))
    assert len(of_type(core, StanzaArrived)) == 2
    assert feed(core, padded(20_001)).startswith(error(StreamCondition.POLICY_VIOLATION))
    assert of_type(core, StanzaArrived) == []


# Time, and the end ----------------------------------------------------------------------------


@pytest.mark.spec("NET-15")
def test_thirty_seconds_to_authenticate() -> None:
    core = stream()
    assert core.next_timer() == 30.0
    core.on_timer(30.0)
    assert sent(core).startswith(header("id1", local="").replace(f" to='{REMOTE}'", ""))
    core.on_timer(35.0)
    assert len(of_type(core, Ended)) == 1
    core = ready()
    core.on_timer(30.0)
    assert sent(core) == ""


@pytest.mark.spec("NET-15")
def test_a_stream_on_which_nothing_is_heard_ends() -> None:
    core = ready()
    assert core.next_timer() == 900.0
    feed(core, " ", now=500.0)
    core.on_timer(900.0)
    assert sent(core) == ""
    assert core.next_timer() == 1400.0
    core.on_timer(1400.0)
    assert sent(core).startswith(error(StreamCondition.CONNECTION_TIMEOUT))


def test_stanzas_under_way_are_taken_while_we_close() -> None:
    core = ready()
    core.shut(None, 10.0)
    assert sent(core) == END
    assert feed(core, MESSAGE + END, now=11.0) == ""
    assert core.events() == [ARRIVED, Ended("closed by us")]


def test_shut_down_with_an_error() -> None:
    core = ready()
    core.shut(StreamCondition.SYSTEM_SHUTDOWN, 10.0)
    assert sent(core) == error(StreamCondition.SYSTEM_SHUTDOWN) + f"/></stream:error>{END}"
    feed(core, MESSAGE, now=11.0)
    assert core.events() == []
    assert core.next_timer() == 15.0
    core.on_timer(15.0)
    assert len(of_type(core, Ended)) == 1


def test_a_driver_that_is_out_of_step() -> None:
    core = opened()
    with pytest.raises(LocalError):
        core.secured(TRUSTED, 0.0)


# Two cores ------------------------------------------------------------------------------------


def pipe(
    out_certificate: Certificate,
    in_certificate: Certificate,
    policy: Policy | None = None,
    *,
    direct_tls: bool = False,
    bytewise: bool = False,
) -> Pipe:
    out = OutgoingStream(
        REMOTE, LOCAL, policy=policy or Policy(), secret=b"theirs", direct_tls=direct_tls
    )
    numbers = count(1)
    into = IncomingStream(
        policy=policy or Policy(),
        secret=SECRET,
        token=lambda: f"id{next(numbers)}",
        direct_tls=direct_tls,
    )
    joined = Pipe(out, into, frozenset({LOCAL}), out_certificate, in_certificate, bytewise)
    joined.start()
    return joined


@pytest.mark.spec("NET-06")
@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("direct_tls", [False, True])
def test_our_two_ends_by_external(direct_tls: bool, bytewise: bool) -> None:
    joined = pipe(TRUSTED, certificate(LOCAL), STRICT, direct_tls=direct_tls, bytewise=bytewise)
    assert joined.left == [StartTls(LOCAL), Ready()]
    assert Paired(LOCAL, REMOTE) in joined.right
    joined.out.send(message(f"romeo@{LOCAL}", f"juliet@{REMOTE}/balcony"), 0.0)
    joined.run()
    assert joined.right[-1] == ARRIVED
    joined.out.shut(None, 1.0)
    joined.run()
    assert isinstance(joined.left[-1], Ended)
    assert isinstance(joined.right[-1], Ended)


@pytest.mark.spec("NET-07")
@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("secret", [b"theirs", b"not theirs"])
def test_our_two_ends_by_dialback(secret: bytes, bytewise: bool) -> None:
    """All three roles: the key goes to a third stream, whose incoming end made it or did not."""
    joined = pipe(NOBODY, NOBODY, bytewise=bytewise)
    (query,) = joined.queries
    assert dialback.holds(b"theirs", query)
    asking = OutgoingStream(LOCAL, REMOTE, policy=Policy(), secret=SECRET, verify_only=True)
    asking.verify(query, 0.0)
    answering = IncomingStream(policy=Policy(), secret=secret, token=lambda: "x")
    third = Pipe(asking, answering, frozenset({REMOTE}), bytewise=bytewise)
    third.start()
    (verified,) = [event for event in third.left if isinstance(event, Verified)]
    joined.into.verified(verified.query, verified.valid, 1.0, verified.error)
    joined.run()
    good = secret == b"theirs"
    assert (Ready() in joined.left, Paired(LOCAL, REMOTE) in joined.right) == (good, good)
    assert any(isinstance(event, Refused) for event in joined.left) is not good


# Every cell of the table ----------------------------------------------------------------------

SAMPLES = {
    Input.STARTTLS: STARTTLS,
    Input.AUTH: auth("="),
    Input.RESULT: KEY,
    Input.VERIFY: VERIFY,
    Input.BIDI: BIDI,
    Input.ENABLE: "<enable xmlns='urn:xmpp:sm:3'/>",
    Input.RESUME: "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
    Input.REQUEST: "<r xmlns='urn:xmpp:sm:3'/>",
    Input.ANSWER: "<a xmlns='urn:xmpp:sm:3' h='0'/>",
    Input.STANZA: MESSAGE,
    Input.OTHER: "<unknown xmlns='urn:x'/>",
}
LEGAL = {
    State.PLAIN: {Input.STARTTLS, Input.AUTH, Input.RESULT, Input.VERIFY},
    State.OPEN: {
        *(Input.STARTTLS, Input.AUTH, Input.RESULT, Input.VERIFY),
        *(Input.BIDI, Input.ENABLE, Input.RESUME),
    },
    State.READY: {Input.RESULT, Input.VERIFY, Input.ENABLE, Input.RESUME, Input.STANZA},
}


def at(state: State) -> IncomingStream:
    core = stream(direct_tls=state is State.SECURING)
    if state is State.PLAIN:
        greeted(core)
    elif state is not State.SECURING:
        core = ready() if state is State.READY else opened()
    sent(core)
    core.events()
    assert core._state is state
    return core


@pytest.mark.spec("NET-12")
@pytest.mark.parametrize("kind", Input)
@pytest.mark.parametrize("state", [state for state in State if state is not State.HEADER])
def test_every_cell_is_legal_or_refused(state: State, kind: Input) -> None:
    core = at(state)
    answered = feed(core, SAMPLES[kind])
    if state is State.SECURING:
        assert (answered, core.events()) == ("", [])
    elif kind in LEGAL[state]:
        assert "<stream:error>" not in answered
    else:
        expected = (
            StreamCondition.UNSUPPORTED_STANZA_TYPE
            if state is State.READY
            else StreamCondition.NOT_AUTHORIZED
        )
        assert answered.startswith(error(expected))
        assert answered.endswith(END)


PROOFS = Policy(proofs=True)


@dataclass
class Late:
    """A certificate that vouches for what was found out meanwhile."""

    proven: list[str]
    shown: bool = True

    def vouches(self, domain: str) -> bool:
        return domain in self.proven


def test_a_certificate_that_does_not_vouch_is_asked_about_where_other_proof_may_be_had() -> None:
    core = stream(PROOFS)
    greeted(core)
    feed(core, STARTTLS)
    core.events()
    proven: list[str] = []
    core.secured(Late(proven), 0.0)
    assert feed(core, HEADER + auth("=")) == ""
    assert core.events() == [AskedFor(LOCAL, REMOTE)]
    proven.append(REMOTE)
    core.hosted(LOCAL, yes=True, now=0.0)
    assert sent(core) == header("id2") + features(EXTERNAL, DIALBACK, BIDI_OFFER, LIMITS) + SUCCESS
    assert core.events() == [Paired(LOCAL, REMOTE)]


def test_without_proof_there_is_dialback_still() -> None:
    core = stream(PROOFS, direct_tls=True)
    core.events()
    core.secured(NOBODY, 0.0)
    feed(core, HEADER)
    assert core.events() == [AskedFor(LOCAL, REMOTE)]
    core.hosted(LOCAL, yes=True, now=0.0)
    assert sent(core) == header("id1") + features(DIALBACK, BIDI_OFFER, LIMITS)


def test_nothing_is_asked_before_tls_nor_about_who_is_proven() -> None:
    core = stream(PROOFS)
    feed(core, HEADER)
    assert core.events() == [AskedFor(LOCAL)]
    core.hosted(LOCAL, yes=True, now=0.0)
    feed(core, STARTTLS)
    core.events()
    sent(core)
    core.secured(TRUSTED, 0.0)
    assert feed(core, HEADER) == header("id2") + features(EXTERNAL, DIALBACK, BIDI_OFFER, LIMITS)
    assert core.events() == []


def test_proof_is_looked_for_for_each_domain_that_needs_a_certificate() -> None:
    other = "other.example"
    core = stream(Policy(proofs=True, require_certificate=lambda name: name == other))
    greeted(core)
    feed(core, STARTTLS)
    core.events()
    proven = [REMOTE]
    core.secured(Late(proven), 0.0)
    feed(core, HEADER)
    key = KEY.replace(REMOTE, other)
    assert feed(core, key) == ""
    assert core.events() == [AskedFor(LOCAL, other)]
    proven.append(other)
    core.hosted(LOCAL, yes=True, now=0.0)
    assert [event.query.remote for event in of_type(core, VerifyWanted)] == [other]


def test_nothing_is_asked_about_who_shows_no_certificate() -> None:
    core = stream(PROOFS, direct_tls=True)
    core.events()
    core.secured(Late([], shown=False), 0.0)
    feed(core, HEADER)
    assert core.events() == [AskedFor(LOCAL)]


@pytest.mark.spec("NET-38")
def test_bytes_that_trickle_do_not_prolong_negotiation() -> None:
    policy = Policy()
    stream = IncomingStream(policy=policy, secret=b"s", token=lambda: "id")
    stream.connected(0.0)
    for second, byte in enumerate(b"<stream:stream xmlns='jabber:"):
        stream.receive(bytes([byte]), float(second))
    assert stream.next_timer() == policy.negotiation
    stream.on_timer(policy.negotiation)
    assert stream.closing


def test_who_proved_nothing_has_few_keys_verified_at_once() -> None:
    core = opened()
    keys = [KEY.replace(REMOTE, f"d{number}.example") for number in range(MOST_UNPROVEN + 1)]
    answered = feed(core, "".join(keys))
    assert len(of_type(core, VerifyWanted)) == MOST_UNPROVEN
    assert db_error(Condition.RESOURCE_CONSTRAINT) in answered
