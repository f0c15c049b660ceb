"""The configuration: what is refused, and what the refusal says."""

from pathlib import Path

import pytest

from dragoman.app.config import Configuration
from dragoman.app.reading import BadConfiguration, describe, load


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("DRAGOMAN_"):
            monkeypatch.delenv(name)


def refusal(tmp_path: Path, text: str) -> str:
    file = tmp_path / "dragoman.toml"
    file.write_text(text)
    with pytest.raises(BadConfiguration) as caught:
        load(file)
    return str(caught.value).replace(str(file), "FILE")


def test_the_defaults_are_those_of_the_contract() -> None:
    found = load()
    assert found.sip.listen == ["udp:*:5060", "tcp:*:5060", "tls:*:5061"]
    assert found.msrp.listen == ["tcp:*:2855", "tls:*:2856"]
    assert found.xmpp.listen == ["starttls:*:5269", "tls:*:5270"]
    assert str(found.tls.certificates) == "/etc/dragoman/certs"
    assert found.xmpp.require_encryption is True
    assert found.xmpp.require_certificate is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bla = 1", ["FILE: bla: no such key; allowed here: dns, http, log"]),
        (
            "[sip]\nfoo = 2",
            ["FILE: sip.foo: no such key; allowed here: account, advertise, listen"],
        ),
        ("[sip]\nlisten = ['quic:*:1']", ["sip.listen.0: found 'quic:*:1'", '"udp:ADDRESS:PORT"']),
        ("[sip]\nlisten = ['udp:*:70000']", ["sip.listen.0", "a port from 0 to 65535"]),
        ("[msrp]\nlisten = ['udp:*:2855']", ["msrp.listen.0", '"tcp:ADDRESS:PORT"']),
        ("[msrp]\norigins = ['chat.example']", ["msrp.origins.0", '"https://phone.example"']),
        ("[msrp]\nadvertise = 'gw:2855'", ["msrp.advertise: found 'gw:2855'"]),
        ("[sip]\norigins = ['phone.example']", ["sip.origins.0", '"https://phone.example"']),
        ("[sip]\norigins = ['https://phone.example/']", ["sip.origins.0: found 'https://phone"]),
        ("[sip]\ntrusted = ['300.1.1.1']", ["sip.trusted.0: found '300.1.1.1'", "192.0.2.0/24"]),
        (
            "[sip]\nlisten = ['udp:gw:5060']",
            ["found 'udp:gw:5060'", "[] around IPv6"],
        ),
        ("[sip]\nadvertise = 'a b'", ["sip.advertise: found 'a b'", "without a port"]),
        ("[sip]\nadvertise = 'gw:5060'", ["sip.advertise: found 'gw:5060'"]),
        ("[dns]\nservers = ['ns.example']", ["dns.servers.0: found 'ns.example'", "192.0.2.1:53"]),
        ("[tls]\ntrust = '/no/such.pem'", ["tls.trust: found '/no/such.pem'", "PEM file"]),
        (
            "[[xmpp.component]]\ndomain = 'a'\nsecret = 's'\nserver = 'prosody'",
            ["xmpp.component.0.server: found 'prosody'", "localhost:5347"],
        ),
        (
            "[sip]\noutbound_proxy = 'proxy:0'",
            ["sip.outbound_proxy: found 'proxy:0'", "HOST[:PORT]", "sip:proxy.example;"],
        ),
        (
            "[[sip.account]]\nuser = 'u'\npassword = 'p'",
            ["sip.account.0.realm: is missing"],
        ),
        (
            "[[sip.account]]\nrealm = ''\nuser = 'u'\npassword = 'p'",
            ["sip.account.0.realm: found ''", "at least 1 character"],
        ),
        ("[sip]\nmax_message = 'x'", ["sip.max_message: found 'x'", "integer"]),
        ("[http]\nlisten = '8855'", ["http.listen: found '8855'", "127.0.0.1:8855"]),
        ("[xmpp]\ndane = 'perhaps'", ["xmpp.dane: found 'perhaps'"]),
        ("[xmpp]\nposh_networks = ['x']", ["xmpp.posh_networks.0: found 'x'", "192.0.2.0/24"]),
        ("[presence]\nicons = 'yes'", ["presence.icons: found 'yes'", "'domain'"]),
        ("[[xmpp.component]]\ndomain = 'a'", ["xmpp.component.0.secret: is missing"]),
        ("[xmpp]\nrequire_certificate = 'x'", ["xmpp.require_certificate: found 'x'"]),
        ("[sip]\nunbelieved = 'shout'", ["sip.unbelieved: found 'shout'", "'refuse' or 'silence'"]),
        ("[sip]\nscanners = 1", ["sip.scanners: found 1"]),
        ("[sip]\nrate = -1", ["sip.rate: found -1"]),
        ("[xmpp]\nrate = 'x'", ["xmpp.rate: found 'x'"]),
        ("[sip", ["FILE: not TOML"]),
    ],
)
def test_a_refusal_names_file_key_what_was_found_and_what_is_allowed(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    said = refusal(tmp_path, text)
    for word in words:
        assert word in said
    assert said.count("require_certificate") <= 1


def test_websockets_and_the_pages_that_may_open_them(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text(
        "[sip]\nlisten = ['ws:127.0.0.1:80', 'wss:*:443']\n"
        "origins = ['HTTPS://Phone.example:8443', '*']"
    )
    found = load(file).sip
    assert found.listen == ["ws:127.0.0.1:80", "wss:*:443"]
    assert found.origins == ["https://phone.example:8443", "*"]


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="there is no such file"):
        load(tmp_path / "absent.toml")


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text("[sip]\nlisten = ['udp:*:1']\nadvertise = 'gw.example'")
    monkeypatch.setenv("DRAGOMAN_SIP__LISTEN", '["udp:127.0.0.1:0"]')
    found = load(file)
    assert (found.sip.listen, found.sip.advertise) == (["udp:127.0.0.1:0"], "gw.example")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DRAGOMAN_SIP__LISTE", "1", "DRAGOMAN_SIP__LISTE: no such key; allowed here: account"),
        ("DRAGOMAN_SIPP", "1", "DRAGOMAN_SIPP: no such key; allowed here: dns"),
        ("DRAGOMAN_SIP__LISTEN", "1x", "DRAGOMAN_SIP__LISTEN: found '1x'"),
        ("DRAGOMAN_SIP__LISTEN", '["udp:*:x"]', "DRAGOMAN_SIP__LISTEN: sip.listen.0: found"),
        ("DRAGOMAN_MEDIA__STUN", '["turn:a.example"]', 'allowed: "stun:HOST[:PORT]"'),
        ("DRAGOMAN_MEDIA__TURN", '[{"uri": "turns:a?transport=udp"}]', 'allowed: "turn:HOST'),
    ],
)
def test_a_wrong_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadConfiguration) as caught:
        load()
    assert words in str(caught.value)


def test_what_is_printed_is_a_configuration_of_the_same_meaning(tmp_path: Path) -> None:
    first = tmp_path / "first.toml"
    first.write_text(
        "[sip]\nadvertise = 'gw.example'\n[[xmpp.component]]\ndomain = 'a.example'\n"
        "secret = 'hidden'\nserver = 'b.example:5347'\n"
        "[[sip.account]]\nrealm = 'Trunk'\nuser = 'u'\npassword = 'hidden'\n"
        "[media]\nstun = ['stun:a.example']\n"
        "[[media.turn]]\nuri = 'turns:a.example'\nuser = 'u'\npassword = 'hidden'\n"
    )
    text = describe(load(first))
    assert "hidden" not in text
    second = tmp_path / "second.toml"
    second.write_text(text.replace('"***"', '"hidden"'))
    assert load(second) == load(first)


def test_every_key_is_described() -> None:
    for section in Configuration.model_fields.values():
        assert section.description
        inner = getattr(section.annotation, "model_fields", {})
        assert all(each.description for each in inner.values())
