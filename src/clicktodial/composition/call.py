"""What carries calls: media, recordings, SIP, and those who are told of calls."""

from dataclasses import dataclass
from pathlib import Path

from clicktodial.accounts.call_bar import CallBar
from clicktodial.api.camara.document import BASE_PATH as CAMARA_PATH
from clicktodial.api.camara.mapping import CloudEventFormat
from clicktodial.api.events.pool_alert import PoolAlertFormat
from clicktodial.api.protocol import ARRIVAL_TIMEOUT_S
from clicktodial.api.v1.mapping import V1NotificationFormat
from clicktodial.composition.foundation import Foundation
from clicktodial.composition.reading import (
    add_message_readings,
    add_readings,
    add_relay_readings,
    add_trunk_readings,
)
from clicktodial.composition.relay import (
    AnyRelay,
    create_recording_fate,
    create_relay,
)
from clicktodial.composition.telephony import TelephonyParts, open_telephony
from clicktodial.composition.web_phone import open_web_phones
from clicktodial.config import Settings
from clicktodial.control.admission import CallAdmission
from clicktodial.control.controller import CallDependencies
from clicktodial.control.live_call_service import LiveCallService
from clicktodial.control.port import NoTracer
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.media.webrtc.phone import WebPhones, WebTelephony
from clicktodial.messaging.dispatcher import MessageDispatcher
from clicktodial.messaging.driver import create_dispatcher, message_limits
from clicktodial.notify.format import NoticeFormats
from clicktodial.notify.notifier import HttpNotifier, SinkDelivery
from clicktodial.observe.metrics import MeteredCallStore
from clicktodial.recordings.recorder import FileRecorder
from clicktodial.storage.call_facts import MemberDepartments, SqlFactsReader
from clicktodial.storage.call_sink import SqlSinks
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.minutes import SqlMinutes
from clicktodial.storage.node_registry import NodeRegistry
from clicktodial.storage.outbox import Outbox
from clicktodial.storage.recording_catalog import SqlRecordingCatalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What others ask of the part that carries calls."""

    service: LiveCallService
    store: SqlCallStore
    catalog: SqlRecordingCatalog
    recordings_root: Path
    library: AudioLibrary
    dispatcher: MessageDispatcher
    notifier: HttpNotifier
    telephony: TelephonyParts
    web_phones: WebPhones | None
    relay: AnyRelay


async def open_calls(base: Foundation) -> Calls:
    """Calls can be made from now on. What an earlier life left is put in order before."""
    stack, settings = base.stack, base.settings
    catalog = SqlRecordingCatalog(base.database)
    recordings_root = settings.data_dir / "recordings"
    recorder = FileRecorder(recordings_root, catalog, settings.recording)
    await recorder.start()
    stack.push_async_callback(recorder.close)
    library = AudioLibrary(settings.audio_dir.absolute())
    relay = create_relay(settings, library, base.node_id)
    await relay.start()
    stack.push_async_callback(relay.close)
    registry = await _take_over(base, relay, recorder)
    sinks = SqlSinks(base.database, base.vault)
    base.background.run("sink_tokens", sinks.run(base.clock.utc))
    notifier = HttpNotifier(
        Outbox(base.database, peers=registry.peers, utc=base.clock.utc),
        base.applications,
        NoticeFormats(V1NotificationFormat(), PoolAlertFormat()),
        settings.notify,
        sink_delivery=SinkDelivery(sinks, CloudEventFormat(event_source(settings))),
    )
    await notifier.start()
    stack.push_async_callback(notifier.close)
    base.background.run("node_registry", registry.run(base.clock, notifier.request_rescan))
    dispatcher = create_dispatcher(
        settings.messages, base.transactions, base.clock, node_id=base.node_id
    )
    add_message_readings(base.metrics, dispatcher.tally)
    await dispatcher.start()
    stack.push_async_callback(dispatcher.close)
    telephony = await open_telephony(base)
    web_phones = await open_web_phones(base)
    store = SqlCallStore(base.database, node_id=base.node_id, vault=base.vault)
    service = _create_service(
        base,
        relay=relay,
        recorder=recorder,
        notifier=notifier,
        store=store,
        telephony=telephony,
        web_phones=web_phones,
    )
    if telephony.trunks.tracer is not None:
        # After the last call has ended.
        stack.callback(telephony.trunks.tracer.close)
    # Whatever goes wrong from here on, no phone is left ringing.
    stack.push_async_callback(service.stop)
    call_bar = CallBar(base.transactions, service, arrival_timeout_s=ARRIVAL_TIMEOUT_S)
    base.background.run("call_bar", call_bar.run())

    def take_up_changes() -> None:
        # A replay from the command line is such a change.
        notifier.request_rescan()
        dispatcher.wake()
        telephony.watch.refresh()
        call_bar.notice()

    base.applications.on_change = take_up_changes
    return Calls(
        service=service,
        store=store,
        catalog=catalog,
        recordings_root=recordings_root,
        library=library,
        dispatcher=dispatcher,
        notifier=notifier,
        telephony=telephony,
        web_phones=web_phones,
        relay=relay,
    )


def event_source(settings: Settings) -> str:
    """What events of calls name as where they come from."""
    return settings.accounts.base_url.rstrip("/") + CAMARA_PATH


async def _take_over(base: Foundation, relay: AnyRelay, recorder: FileRecorder) -> NodeRegistry:
    registry = NodeRegistry(
        base.database,
        node_id=base.node_id,
        interval_s=base.settings.database.heartbeat_interval_s,
    )
    # Before the first event of this process, so that those of a dead one are not overtaken.
    await registry.reap(base.clock.utc(), create_recording_fate(relay, recorder), own=True)
    await registry.register(base.clock.utc())
    return registry


def _create_service(
    base: Foundation,
    *,
    relay: AnyRelay,
    recorder: FileRecorder,
    notifier: HttpNotifier,
    store: SqlCallStore,
    telephony: TelephonyParts,
    web_phones: WebPhones | None,
) -> LiveCallService:
    settings, metrics = base.settings, base.metrics
    facts = SqlFactsReader(base.database, base.keys)
    service = LiveCallService(
        CallDependencies(
            base.clock,
            telephony.trunks if web_phones is None else WebTelephony(telephony.trunks, web_phones),
            relay,
            recorder,
            MeteredCallStore(store, metrics),
            notifier,
            forecaster=telephony.trunks,
            on_quality=metrics.count_quality,
            quality_interval_s=settings.media.quality_interval_s,
            admission=CallAdmission(facts, base.applications.platform_rules, base.clock),
            minutes=SqlMinutes(
                base.database,
                reserve_s=settings.billing.reserve_s,
                zone=settings.billing.zone,
                department_of=MemberDepartments(base.database.engine.dialect),
            ),
            tracer=telephony.trunks.tracer or NoTracer(),
        ),
        settings.calls,
        message_limits=message_limits(settings.messages),
    )
    add_readings(metrics, service, telephony.endpoint, base.database)
    add_trunk_readings(metrics, telephony.watch)
    add_relay_readings(metrics, relay)
    return service
