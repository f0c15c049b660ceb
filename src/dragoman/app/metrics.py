"""What a gateway is doing, as numbers for Prometheus (text format 0.0.4), read when asked for.

Nothing is counted for this: what the rooms describe of themselves is read when a scraper comes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dragoman import __version__
from dragoman.net.http import Page

KIND: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "dragoman_"

Described = Mapping[str, Any]
"""What `Gateway.describe` returns."""


class Metrics:
    """Makes the page of one gateway."""

    def __init__(self, describe: Callable[[], Described]) -> None:
        """Ask `describe()` at each scrape."""
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Gateway(describe))
        ProcessCollector(registry=self._registry)

    def page(self) -> Page:
        """Return the page as of now."""
        return Page(generate_latest(self._registry), KIND)


class _Gateway(Collector):
    def __init__(self, describe: Callable[[], Described]) -> None:
        self._describe = describe

    def collect(self) -> Iterable[Metric]:
        """Return every family, in the order in which they are printed."""
        found = self._describe()
        yield _gauge("info", "Which version this is.", [(1, {"version": __version__})])
        yield from _hub(found["hub"])
        yield from _sip(found["sip"])
        yield from _sockets(found)
        yield from _media(found["media"])
        yield from _certificates(found["certificates"])
        yield from _store(found["store"])
        yield from _subscriptions(found["subscriptions"])


def _hub(hub: Described) -> Iterator[Metric]:
    streams, messages = hub["federation"], hub["messages"]
    yield _gauge(
        "xmpp_streams",
        "Streams with XMPP servers, by who opened them.",
        [(streams[f"streams_{way}"], {"direction": way}) for way in ("in", "out")],
    )
    yield _gauge("stanzas_waiting", "Stanzas that wait for a stream.", [(streams["waiting"], {})])
    yield _gauge(
        "messages_under_way",
        "Messages whose sender waits to hear, by the side that they came from.",
        [(messages[f"from_{side}"], {"from": side}) for side in ("sip", "xmpp")],
    )
    yield from _presence(hub["presence"])
    yield from _sessions(hub["sessions"])
    yield _gauge("requests_parked", "SIP requests that wait for the DNS.", [(hub["parked"], {})])
    yield _gauge("domains_known", "DNS answers kept about domains.", [(hub["directory"], {})])
    yield _gauge("tasks", "Look-ups and connections under way.", [(hub["tasks"], {})])


def _presence(presence: Described) -> Iterator[Metric]:
    watched, watchers = presence["presentities"], presence["watchers"]
    yield _gauge(
        "presence_watched",
        "SIP users whom XMPP users watch, by how the two stand; those to take up after a start.",
        [
            (count, {"state": state})
            for state, count in watched.items()
            if state not in {"dialogs", "octets", "owed"}
        ],
    )
    yield _gauge(
        "presence_octets",
        "Octets of what is remembered of SIP users' presence: beyond 256 MiB it is told in brief.",
        [(watched["octets"], {})],
    )
    yield _gauge(
        "presence_owed",
        "Pairs of users of which something could not be told to an XMPP server yet.",
        [(watched["owed"], {})],
    )
    yield _gauge(
        "presence_dialogs",
        "SIP dialogs of presence, by who watches in them.",
        [(watched["dialogs"], {"watcher": "xmpp"}), (watchers["dialogs"], {"watcher": "sip"})],
    )
    yield _gauge(
        "presence_published",
        "XMPP users whose presence is published at a SIP server.",
        [(presence["publications"]["users"], {})],
    )


def _sessions(found: Described) -> Iterator[Metric]:
    """Tell of sessions of messages; nothing where there can be none."""
    if not found:
        return
    stages, talks = found["sip"], found["talks"]
    yield _gauge(
        "sessions",
        "Sessions of messages with SIP users, by how far they have come (RFC 3261 §13).",
        [(count, {"stage": stage}) for stage, count in stages.items() if stage != "sessions"],
    )
    yield _gauge(
        "session_messages_waiting",
        "Messages of XMPP users that wait for a session.",
        [(talks["waiting"], {})],
    )


def _sip(counts: Mapping[str, int]) -> Iterator[Metric]:
    """Tell transactions, which are named "machine: state", from plain counts."""
    states = [(name.split(": ", 1), value) for name, value in counts.items() if ": " in name]
    yield _gauge(
        "sip_transactions",
        "SIP transactions, by machine and state (RFC 3261 §17).",
        [(value, {"machine": name[0], "state": name[1]}) for name, value in sorted(states)],
    )
    yield _counter(
        "sip_events",
        "What happened to SIP messages, by kind.",
        [(value, {"event": name}) for name, value in sorted(counts.items()) if ": " not in name],
    )


def _sockets(found: Described) -> Iterator[Metric]:
    named = {side: found[f"{side}_sockets"] for side in ("sip", "xmpp", "msrp")}
    gates = [(side, each["gate"]) for side, each in named.items() if each]
    yield _gauge(
        "connections",
        "TCP and TLS connections that others opened.",
        [(gate["open"], {"side": side}) for side, gate in gates],
    )
    yield _counter(
        "connections_refused",
        "Connections that were one too many.",
        [(gate["refused"], {"side": side}) for side, gate in gates],
    )
    udp = found["sip_sockets"]["udp"]
    yield _counter(
        "sip_datagrams",
        "UDP datagrams, by direction; dropped: the kernel would not take them.",
        [
            (sum(each[what] for each in udp), {"direction": what})
            for what in ("received", "sent", "dropped")
        ],
    )


def _media(found: Described) -> Iterator[Metric]:
    """Tell of calls; nothing where there can be none."""
    if not found:
        return
    transcoded = found.get("transcoded", 0)
    yield _gauge(
        "calls",
        "Calls that have media, by whether their sound is decoded: no codec is common then.",
        [
            (found["calls"] - transcoded, {"sound": "relayed"}),
            (transcoded, {"sound": "transcoded"}),
        ],
    )


def _certificates(pairs: Sequence[Described]) -> Iterator[Metric]:
    known = [pair for pair in pairs if pair["expires"]]
    yield _gauge(
        "certificate_not_after_timestamp_seconds",
        "When a certificate of ours expires.",
        [
            (datetime.fromisoformat(pair["expires"]).timestamp(), {"name": _name(pair)})
            for pair in known
        ],
    )
    yield _gauge(
        "certificate_in_use",
        "Whether a pair of files is used as it is.",
        [(int(not pair["problem"]), {"name": _name(pair)}) for pair in pairs],
    )


def _store(counts: Mapping[str, int]) -> Iterator[Metric]:
    yield _gauge(
        "messages_remembered",
        "Messages that crossed lately, whose identifiers are in memory.",
        [(counts["recent"], {})],
    )
    yield _gauge(
        "store_waiting", "Changes that wait to be written to disk.", [(counts["waiting"], {})]
    )
    yield _counter(
        "store_lost", "Changes that could not be written and were given up.", [(counts["lost"], {})]
    )


def _subscriptions(counts: Mapping[str, int]) -> Iterator[Metric]:
    yield _gauge(
        "subscriptions",
        "Who may see whom, or asked to, as it is kept, by who watches.",
        [(counts["watching"], {"watcher": "xmpp"}), (counts["watched"], {"watcher": "sip"})],
    )
    yield _gauge(
        "subscriptions_waiting",
        "Dialogs that wait to be written to disk.",
        [(counts["waiting"], {})],
    )


def _name(pair: Described) -> str:
    return Path(pair["origin"]).stem


def _gauge(name: str, help_: str, samples: Iterable[tuple[float, dict[str, str]]]) -> Metric:
    return _filled(GaugeMetricFamily(PREFIX + name, help_), samples)


def _counter(name: str, help_: str, samples: Iterable[tuple[float, dict[str, str]]]) -> Metric:
    return _filled(CounterMetricFamily(PREFIX + name, help_), samples, "_total")


def _filled(
    family: Metric, samples: Iterable[tuple[float, dict[str, str]]], suffix: str = ""
) -> Metric:
    for value, labels in samples:
        family.add_sample(family.name + suffix, labels, value)
    return family
