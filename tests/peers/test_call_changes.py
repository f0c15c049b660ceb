"""What changes in a call between real peers: digits, hold, silence, and video that comes later."""

import re
import time
from collections.abc import Callable

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE, PEERS, TONE, Linphone, Phone, both_hear
from tests.peers.hosts import Program

browsers, client = callers.browsers, callers.client
linphone_caller, phone, talker = callers.linphone_caller, callers.phone, callers.talker
gateway, plane = callers.with_plane, callers.plane


def hears_again(client: Program) -> None:
    client.forget()
    client.tell("listen")
    client.hears(event="tone", hz=TONE)


def hears_nothing(client: Program) -> None:
    """Give a client time to hear the tone, of which it says so after a second; it does not."""
    time.sleep(0.5)  # for what is on its way
    client.forget()
    client.tell("listen")
    time.sleep(2)
    assert not [each for each in client.events() if each["event"] == "tone"]


def is_acknowledged(info: str) -> bool:
    """Tell whether the last session-info of that name has a result."""
    said = (PEERS / "webrtc-alice" / "xmpp.log").read_text().replace("\\", "")
    asked = re.findall(rf'<iq [^>]*?id="([^"]+)"[^>]*><jingle [^>]*><{info} ', said)
    results = [each for each in re.findall(r"<iq [^>]*>", said) if "type='result'" in each]
    return any(asked[-1] in each for each in results)


@pytest.mark.spec("MED-28")
def test_digits_go_both_ways(phone: Callable[..., Phone], talker: Program) -> None:
    """RFC 4733: what comes as telephone-events, Chromium says as the tones of a keypad."""
    caller = phone(dials=f"sip:{ALICE}")
    both_hear(caller, talker)
    caller.program.tell("sndcode 5")
    talker.hears(event="digit", digit="5")
    talker.tell("digits 7")
    caller.program.says(r"received event: '7' \(end=1\)")


@pytest.mark.spec("MED-15")
def test_a_phone_holds_a_client(phone: Callable[..., Phone], talker: Program) -> None:
    caller = phone(dials=f"sip:{ALICE}")
    both_hear(caller, talker)
    caller.program.tell("hold")
    talker.hears(event="hold", sender=f"{caller.user}/phone")
    caller.program.tell("resume")
    talker.hears(event="resumed", sender=f"{caller.user}/phone")
    hears_again(talker)


@pytest.mark.spec("MED-15")
def test_a_client_holds_a_phone(phone: Callable[..., Phone], talker: Program) -> None:
    """Whoever is told `sendonly` sends nothing (RFC 3264 §8.4)."""
    callee = phone()
    talker.tell(f"call {callee.user}")
    both_hear(callee, talker)
    talker.tell("hold")
    callee.program.says(r"got re-INVITE")
    hears_nothing(talker)
    talker.tell("resume")
    hears_again(talker)


@pytest.mark.spec("MED-16")
def test_a_client_that_is_mute_changes_nothing(
    linphone_caller: Callable[..., Linphone], talker: Program
) -> None:
    callee = linphone_caller()
    talker.tell(f"call {callee.user}")
    both_hear(callee, talker)
    talker.tell("mute")
    time.sleep(1.5)
    callee.program.forget()
    time.sleep(1.5)
    assert not callee.program.events()
    assert is_acknowledged("mute")
    talker.tell("unmute")
    callee.program.hears(event="sound", what="tone")
    hears_again(talker)


@pytest.mark.spec("MED-35")
def test_a_phone_without_video_is_called_by_who_has_some(
    linphone_caller: Callable[..., Linphone], talker: Program
) -> None:
    """libwebrtc takes no answer that leaves a stream of its bundle out."""
    callee = linphone_caller()
    talker.tell(f"call {callee.user} --video")
    both_hear(callee, talker)
    callee.program.tell("hold")
    talker.hears(event="hold")
    callee.program.tell("resume")
    talker.hears(event="resumed")
    hears_again(talker)


@pytest.mark.spec("MED-13")
def test_a_phone_shows_itself_later_to_who_called_by_video(
    linphone_caller: Callable[..., Linphone], talker: Program, plane: str
) -> None:
    """By rtpengine it is refused, and the sound goes on: it is in the client's bundle by then."""
    callee = linphone_caller("--video", "VP8", "--later")
    talker.tell(f"call {callee.user} --video")
    both_hear(callee, talker)
    talker.forget()
    callee.program.forget()
    callee.program.tell("show")
    callee.program.hears(event="call", state="changing")
    if plane == "embedded":
        callee.program.hears(event="media", video="VP8")
        callers.sees(talker)
    else:
        callee.program.hears(event="call", state="running")
        callers.sees_nothing(talker)
    hears_again(talker)


@pytest.mark.spec("MED-13")
@pytest.mark.spec("MED-35")
def test_a_phone_that_is_refused_video_keeps_sound(
    linphone_caller: Callable[..., Linphone], talker: Program
) -> None:
    """StanzaJS answers content-add by a content-reject without a content, at once."""
    caller = linphone_caller("--video", "VP8", "--later")
    caller.program.tell(f"call sip:{ALICE}")
    both_hear(caller, talker)
    caller.program.forget()
    caller.program.tell("show")
    caller.program.hears(event="call", state="changing")
    caller.program.hears(event="call", state="running", seconds=5)
    both_hear(caller, talker)
    hears_again(talker)
