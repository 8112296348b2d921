"""What the metrics page reads of the parts when it is asked for."""

from clicktodial.accounts.ticket_watch import TicketWatch
from clicktodial.composition.background import Background
from clicktodial.composition.relay import AnyRelay
from clicktodial.control.live_call_service import LiveCallService
from clicktodial.media.rtpengine.fleet import RtpengineFleet
from clicktodial.messaging.tally import MessageTally
from clicktodial.observe.metrics import Metrics
from clicktodial.sip.aio.endpoint import SipEndpoint
from clicktodial.sip.aio.trunk_watch import TrunkWatch
from clicktodial.storage.database import Database


def add_readings(
    metrics: Metrics, service: LiveCallService, endpoint: SipEndpoint, database: Database
) -> None:
    """What the metrics page reads of the parts when it is asked for."""
    counters = endpoint.user_agent.counters
    gauge, counter = metrics.add_gauge, metrics.add_counter
    gauge("clicktodial_calls_live", "Calls under way.", lambda: service.live_count)
    gauge(
        "clicktodial_sip_sessions",
        "SIP sessions, those that are being ended included.",
        lambda: endpoint.user_agent.session_count,
    )
    gauge(
        "clicktodial_sip_transactions",
        "SIP transactions that live or linger.",
        lambda: endpoint.user_agent.transaction_count,
    )
    gauge(
        "clicktodial_writer_queue",
        "Changes that wait to be written to the database.",
        lambda: database.writer.depth,
    )
    counter("clicktodial_sip_received", "SIP messages received.", lambda: counters.received)
    counter("clicktodial_sip_sent", "SIP messages sent.", lambda: counters.sent)
    counter(
        "clicktodial_sip_retransmissions",
        "Of those sent, the ones that had been sent before.",
        lambda: counters.retransmissions,
    )
    counter(
        "clicktodial_sip_malformed",
        "What came to the SIP port and was no SIP message.",
        lambda: counters.malformed,
    )
    counter("clicktodial_sip_stray", "SIP messages that matched nothing.", lambda: counters.stray)
    counter(
        "clicktodial_sip_refused",
        "SIP requests turned away or dropped at a limit.",
        lambda: counters.refused,
    )


def add_trunk_readings(metrics: Metrics, watch: TrunkWatch) -> None:
    metrics.add_gauge(
        "clicktodial_trunks_down",
        "Trunks that do not answer OPTIONS.",
        lambda: watch.down_count,
    )
    metrics.add_gauge(
        "clicktodial_trunks_unregistered",
        "Trunks that want us registered and do not have us so.",
        lambda: watch.unregistered_count,
    )


def add_relay_readings(metrics: Metrics, relay: AnyRelay) -> None:
    """The embedded relay has no nodes."""
    fleet = relay if isinstance(relay, RtpengineFleet) else None
    metrics.add_labelled_gauge(
        "clicktodial_relay_node_up",
        "1 for each node of the relay fleet that answers, 0 for one that does not.",
        "node",
        lambda: {} if fleet is None else fleet.up_by_node(),
    )
    metrics.add_labelled_gauge(
        "clicktodial_relay_sessions",
        "Sessions of this platform at each node of the relay fleet.",
        "node",
        lambda: {} if fleet is None else fleet.sessions_by_node(),
    )


def add_ticket_readings(metrics: Metrics, watch: TicketWatch) -> None:
    """As they were counted last, within a minute."""
    metrics.add_labelled_gauge(
        "clicktodial_tickets_open",
        "Support tickets that are open, of all nodes.",
        "priority",
        watch.open_by_priority,
    )
    metrics.add_labelled_gauge(
        "clicktodial_tickets_breached",
        "Of those, the ones that missed a target.",
        "priority",
        watch.breached_by_priority,
    )


def add_message_readings(metrics: Metrics, tally: MessageTally) -> None:
    """Those that wait as they were counted last, within half a minute."""
    metrics.add_labelled_gauge(
        "clicktodial_messages_queued",
        "Messages that wait to be sent, of all nodes.",
        "channel",
        tally.queued,
    )
    metrics.add_labelled_counter(
        "clicktodial_messages",
        "Messages that came to a state on this node; one counts in each that it came to.",
        ("channel", "state"),
        tally.reached,
    )


def add_background_readings(metrics: Metrics, background: Background) -> None:
    metrics.add_counter(
        "clicktodial_background_died",
        "Work beside the calls that ended by an error; the log says which.",
        lambda: background.died,
    )
