"""The stream driver on loopback: what the core hears, when it is asked, how it ends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.net.certificates import self_signed
from dragoman.net.dial import connect
from dragoman.net.driver import Bounds, StreamDriver
from dragoman.net.listen import Gate, Listener, Place, listen
from dragoman.net.tls import Tls, TlsEngine
from dragoman.net.trust import Trust
from tests.net.authority import NOW, issue
from tests.net.rooms import Keeper, Lines, SecureLines, lines, say
from tests.net.test_dial import At


class House:
    """Two ends of one connection: `near` dials, `far` accepts; both remember."""

    def __init__(self, tls: Tls) -> None:
        self.tls = tls
        self.near, self.far = Keeper(), Keeper()
        self.listener: Listener | None = None

    async def meet(
        self,
        near: Lines,
        far: Lines,
        *,
        direct: bool = False,
        bounds: Bounds | None = None,
        **options: Any,
    ) -> tuple[StreamDriver, StreamDriver]:
        server = self.tls.server() if direct else None
        client = self.tls.client("far.example") if direct else None
        self.listener = await listen(
            Place("tcp", "127.0.0.1", 0),
            lambda: StreamDriver(far, self.far, tls=server, bounds=bounds),
            Gate(),
        )
        target = At(*self.listener.addresses[0])

        def make(_: At) -> StreamDriver:
            return StreamDriver(near, self.near, tls=client, bounds=bounds, **options)

        _, driver = await connect([target], make)
        await self.far.until(lambda: self.far.drivers)
        return driver, self.far.drivers[0]

    async def close(self) -> None:
        for keeper in (self.near, self.far):
            await keeper.end()
        if self.listener:
            self.listener.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    own = self_signed(["far.example"], NOW)
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(issue("Lab CA", ca=True).pem())
    house = House(Tls(lambda _: own, Trust(bundle), wall=lambda: NOW))
    yield house
    await house.close()


async def test_both_talk_and_one_leaves(house: House) -> None:
    near, far = await house.meet(Lines(b"hello"), Lines(b"welcome"))
    await house.far.until(lambda: lines(far).heard == b"hello")
    await house.near.until(lambda: lines(near).heard == b"welcome")
    assert near.remote == far.local
    assert far.remote == near.local
    say(near, b" and goodbye")
    near.close("done here")
    await house.far.until(lambda: house.far.lost)
    await house.near.until(lambda: house.near.lost)
    assert lines(far).heard == b"hello and goodbye"
    assert house.near.lost == ["done here"]
    assert house.far.lost == ["closed by the peer"]
    assert lines(near).ended
    assert lines(far).ended


async def test_what_a_turn_says_is_written_once(house: House) -> None:
    near, far = await house.meet(Lines(), Lines())
    for word in (b"one ", b"two ", b"three"):
        say(near, word)
    turns = house.near.turns
    await house.far.until(lambda: lines(far).heard == b"one two three")
    assert house.near.turns == turns + 1
    assert near.sent == 13
    assert far.received == 13


async def test_what_an_owner_does_goes_out_in_the_same_turn(house: House) -> None:
    def answer(driver: StreamDriver) -> None:
        if lines(driver).heard == b"ask" and not driver.sent:
            lines(driver).out.append(b"heard")

    house.far.react = answer
    near, _ = await house.meet(Lines(b"ask"), Lines())
    await house.near.until(lambda: lines(near).heard == b"heard")


async def test_timers(house: House) -> None:
    near, _ = await house.meet(Lines(), Lines())
    now = asyncio.get_running_loop().time()
    core = lines(near)
    core.alarm = now + 60
    near.wake()
    await house.near.until(lambda: near._timer is not None)
    core.alarm = now + 0.02
    near.wake()
    await house.near.until(lambda: core.rang)
    assert core.rang[0] >= now + 0.02
    core.alarm = now + 0.03
    near.wake()
    await house.near.until(lambda: len(core.rang) == 2)


async def test_a_timer_put_off_does_not_ring_early(house: House) -> None:
    near, _ = await house.meet(Lines(), Lines())
    now = asyncio.get_running_loop().time()
    core = lines(near)
    core.alarm = now + 0.01
    near.wake()
    await house.near.until(lambda: near._timer is not None)
    core.alarm = now + 0.04
    near.wake()
    await house.near.until(lambda: core.rang)
    assert core.rang == [core.rang[0]]
    assert core.rang[0] >= now + 0.04


async def test_a_clock_of_ones_own(house: House) -> None:
    now = [1000.0]
    near, _ = await house.meet(Lines(), Lines(), clock=lambda: now[0])
    core = lines(near)
    now[0] = 1000.02
    core.alarm = 1000.01
    near.wake()
    await house.near.until(lambda: core.rang)
    assert core.rang == [1000.02]


async def test_a_remote_error_closes_with_its_reason(house: House) -> None:
    near, _ = await house.meet(Lines(b"nonsense"), Lines())
    await house.far.until(lambda: house.far.lost)
    assert house.far.lost == ["that was nonsense"]
    await house.near.until(lambda: house.near.lost)
    assert lines(near).ended


async def test_a_paused_driver_does_not_read(house: House) -> None:
    near, far = await house.meet(Lines(), Lines())
    far.pause()
    say(near, b"x" * 100)
    await house.near.until(lambda: near.sent == 100 and near.waiting == 0)
    assert lines(far).heard == b""
    far.resume()
    await house.far.until(lambda: len(lines(far).heard) == 100)


async def test_congestion_is_reported_both_ways(house: House) -> None:
    bounds = Bounds(high=1 << 16, low=1 << 10, hard=1 << 26)
    near, far = await house.meet(Lines(), Lines(), bounds=bounds)
    far.pause()
    say(near, b"x" * (1 << 24))
    await house.near.until(lambda: house.near.congestion)
    assert house.near.congestion == [True]
    assert near.describe()["congested"] is True
    far.resume()
    await house.near.until(lambda: len(house.near.congestion) == 2)
    assert house.near.congestion == [True, False]


async def test_a_peer_that_does_not_read_is_dropped(house: House) -> None:
    near, far = await house.meet(Lines(), Lines(), bounds=Bounds(hard=1 << 20))
    far.pause()
    for _ in range(64):
        say(near, b"x" * (1 << 18))
        near._turn()
    await house.near.until(lambda: house.near.lost)
    assert house.near.lost == ["the peer does not read what we send"]


async def test_closing_does_not_wait_for_ever(house: House) -> None:
    bounds = Bounds(hard=1 << 26, closing=0.05)
    near, far = await house.meet(Lines(), Lines(), bounds=bounds)
    far.pause()
    say(near, b"x" * (1 << 24))
    near.close("enough")
    near.close("twice is once")
    await house.near.until(lambda: house.near.lost)
    assert house.near.lost == ["enough"]
    assert near.describe()["closing"] is True


async def test_an_abort_says_why(house: House) -> None:
    near, _ = await house.meet(Lines(), Lines())
    gone = []
    near.when_lost(lambda: gone.append(list(house.near.lost)))
    near.abort("idle")
    await house.near.until(lambda: house.near.lost)
    assert house.near.lost == ["idle"]
    assert gone == [[]]
    near.abort("again")
    near.wake()
    near.close()
    await house.far.until(lambda: house.far.lost)
    assert house.near.lost == ["idle"]


async def test_tls_from_the_start(house: House) -> None:
    near, far = await house.meet(SecureLines(b"hello"), SecureLines(b"welcome"), direct=True)
    await house.far.until(lambda: lines(far).heard == b"hello")
    await house.near.until(lambda: lines(near).heard == b"welcome")
    peer = near.core.peer if isinstance(near.core, SecureLines) else None
    assert peer is not None
    assert peer.judge("far.example").reason == "it is self-signed"
    assert near.describe()["tls"] is True
    say(far, b"x" * 100000)
    await house.near.until(lambda: len(lines(near).heard) == 100007)
    near.close()
    await house.far.until(lambda: house.far.lost)
    assert house.far.lost == ["closed by the peer"]


async def test_tls_in_the_middle(house: House) -> None:
    near, far = await house.meet(SecureLines(b"starttls"), SecureLines())
    await house.far.until(lambda: lines(far).heard == b"starttls")
    say(far, b"proceed")
    far.start_tls(house.tls.server())
    await house.near.until(lambda: lines(near).heard == b"proceed")
    near.start_tls(house.tls.client("far.example"))
    say(near, b" secret")
    await house.far.until(lambda: lines(far).heard == b"starttls secret")
    assert near.sent > 100
    assert isinstance(far.core, SecureLines)
    assert far.core.peer is not None


async def test_a_peer_that_breaks_tls(house: House) -> None:
    near, far = await house.meet(Lines(), SecureLines())
    far.start_tls(house.tls.server())
    say(near, b"this is no ClientHello")
    await house.far.until(lambda: house.far.lost)
    assert house.far.lost[0].startswith("TLS handshake: ")
    assert lines(far).heard == b""


async def test_a_peer_that_never_finishes_tls(house: House) -> None:
    near, far = await house.meet(Lines(), SecureLines(), bounds=Bounds(handshake=0.05))
    far.start_tls(house.tls.server())
    await house.far.until(lambda: house.far.lost)
    assert house.far.lost == ["TLS took too long"]
    assert near.received == 0


async def test_a_peer_that_cuts_tls_short(house: House) -> None:
    near, _ = await house.meet(SecureLines(), SecureLines(b"hello"), direct=True)
    await house.near.until(lambda: lines(near).heard == b"hello")
    near.tls = None
    near.close()
    await house.far.until(lambda: house.far.lost)
    assert house.far.lost == ["closed by the peer in the middle of TLS"]


async def test_too_much_before_tls_is_ready(house: House) -> None:
    near, _ = await house.meet(SecureLines(), Lines())
    engine: TlsEngine = house.tls.client("far.example")
    engine.most_waiting = 10
    near.start_tls(engine)
    say(near, b"x" * 11)
    await house.near.until(lambda: house.near.lost)
    assert house.near.lost == ["too much waits for the TLS handshake"]


async def test_describe(house: House) -> None:
    near, _ = await house.meet(Lines(b"hello"), Lines())
    await house.far.until(lambda: lines(house.far.drivers[0]).heard)
    assert near.describe() == {
        "local": f"127.0.0.1:{near.local[1]}",
        "remote": f"127.0.0.1:{near.remote[1]}",
        "received": 0,
        "sent": 5,
        "waiting": 0,
        "tls": False,
        "congested": False,
        "closing": False,
    }


async def test_a_reset_takes_back_what_the_peer_has_not_got(house: House) -> None:
    """What was told lost must not arrive later: the kernel forgets it and says so (RST)."""
    near, far = await house.meet(Lines(), Lines())
    far.pause()
    say(near, b"x" * (8 << 20))
    await house.near.until(lambda: near.sent > 0)
    near.reset("the server does not answer")
    await house.near.until(lambda: house.near.lost)
    assert house.near.lost == ["the server does not answer"]
    far.resume()
    await house.far.until(lambda: house.far.lost)
    assert "reset" in house.far.lost[0]
    assert len(lines(far).heard) < 8 << 20
