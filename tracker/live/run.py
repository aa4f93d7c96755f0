"""`tidetrack run`: the controller of a treatment room, live, until it is told to stop."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

import msgspec

from hal.clock import HostClock
from tracker.catalogue import CataloguedRecording
from tracker.config import Configuration, ConfigurationError, load_configuration
from tracker.core.machine.kinds.table import machine_kind
from tracker.journal import Header, JournalError, make_header
from tracker.live.daemon import Daemon
from tracker.live.dead_man.heartbeat import DeadMan
from tracker.live.devices.device import Device, HandOver
from tracker.live.devices.device_builder import build_device
from tracker.live.devices.device_plan import DevicePlan, device_plans, starting
from tracker.live.devices.latency_file import refuse_other_latency
from tracker.live.devices.process_link import connected_device
from tracker.live.devices.self_test import self_test
from tracker.live.event_loop import run_in_loop
from tracker.live.operators import Nobody, Scripted
from tracker.live.ready_file import ReadyFile, add_ready_file
from tracker.live.recording_progress import recorded
from tracker.live.run_figures import describe
from tracker.live.scheduling import SWITCH_S, Processor, prefer
from tracker.live.service.gateway import beside, gateway_of
from tracker.live.service.service import RequestService, new_run_id
from tracker.live.service.systemd import Notifier
from tracker.live.terminal import Console
from tracker.live.web.child import PageServer, console_key


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a configuration with [wires]")
    parser.add_argument(
        "--journal",
        type=Path,
        metavar="FILE",
        help="where the run is recorded (default: a new session in the folder of [records])",
    )
    parser.add_argument(
        "--operator",
        choices=("none", "auto"),
        default="none",
        help="auto: ask for model and start, and resume holds, once all devices are up",
    )
    parser.add_argument(
        "--parameters",
        type=Path,
        metavar="FILE",
        help="an artefact of `tidetrack tune`; refused when it does not fit latency and rate",
    )
    parser.add_argument("--duration-s", type=float, metavar="S", help="stop after S seconds")
    parser.add_argument("--figures", type=Path, metavar="FILE", help="write the measured figures")
    parser.add_argument(
        "--no-self-test", action="store_true", help="start without checking the devices first"
    )
    parser.add_argument(
        "--priority", type=int, default=0, metavar="N", help="SCHED_FIFO priority, where allowed"
    )
    parser.add_argument("--cpu", type=int, metavar="N", help="keep the loop on this processor")
    add_ready_file(parser)
    log = parser.add_mutually_exclusive_group()
    log.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="json: one object a line on standard error, instead of words on standard output",
    )
    log.add_argument(
        "--log-file", type=Path, metavar="FILE", help="append the log there, as JSON, besides"
    )


def run(args: argparse.Namespace) -> int:
    """Check, test, warm up, run, stop in order; 0: told to stop, 1: refused by the self-test."""
    configuration, plans = _checked(args)
    processor = Processor(args.cpu)
    if not processor.known:
        raise ConfigurationError([f"--cpu {args.cpu}: allowed are {processor.numbers()}"])
    with contextlib.ExitStack() as stack:
        console = stack.enter_context(_console(args, stack))
        ready = stack.enter_context(
            ReadyFile(args.ready_file, "run", _waited_for(configuration), console.say)
        )
        notifier = stack.enter_context(contextlib.closing(Notifier()))
        journal, recording = _journal(args, configuration, console, stack)
        if not args.no_self_test and not _passes_self_test(
            configuration, plans, journal.parent, console
        ):
            return 1
        console.say("warming up")
        from tracker.build.warm_up import warm  # it imports numpy and the compiler

        warm(configuration)
        clock = HostClock()
        roles = {role: plan.device for role, plan in plans.items()}
        run_id = console.run_id = new_run_id()
        service = _service(args, configuration, run_id, roles, clock, console, ready, stack)
        header = _header(args, configuration, clock, run_id)
        if recording is not None:
            recording.begin(journal, header)
        sys.setswitchinterval(SWITCH_S)
        prefer(args.priority)

        def make(role: str, hand_over: HandOver) -> Device:
            plan = starting(plans[role], clock)
            return connected_device(plan, clock, hand_over, processor.elsewhere)

        monitored = configuration.operation.monitor.start != "off"
        dead_man = (
            DeadMan(configuration, clock.start_ns, processor.elsewhere) if monitored else None
        )
        with (
            dead_man or contextlib.nullcontext(),
            recorded(journal, header, configuration.operation.records) as (writer, disk),
        ):
            gateway = gateway_of(configuration, clock, console.say)
            daemon = Daemon(
                configuration,
                writer,
                clock,
                roles,
                make,
                Scripted() if args.operator == "auto" else Nobody(),
                console.say,
                after_tick=(notifier.alive, *(() if service is None else (service.on_tick_end,))),
                when_stopping=(notifier.stopping,),
                dead_man=dead_man,
                disk=disk,
                onlookers=[each.observe for each in (gateway, service) if each is not None],
            )
            if service is not None:
                service.serve(daemon.request, daemon.end, daemon.blocking, disk)
            console.say(f"ready, recording to {journal}")
            ready.add(run_id=run_id, journal=str(journal.absolute()))
            notifier.ready()
            notifier.status(f"recording to {journal}")
            processor.stay()
            run_in_loop(
                beside(gateway, daemon.run(args.duration_s), lambda at: ready.add(gateway=at))
            )
            figures = daemon.figures()
        console.say(describe(figures))
        console.say(str(journal))
    if args.figures is not None:
        args.figures.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")
    return 0


def _waited_for(configuration: Configuration) -> list[str]:
    """Return the fields of the ready file that must be known before it is written."""
    operation, wires = configuration.operation, configuration.wires
    names = ["journal"]
    if operation.service.enabled:
        names += ["requests", "state"]
        names += ["page"] * (operation.console.start == "child")
    if wires is not None and wires.gateway is not None:
        names.append("gateway")
    return names


def _console(args: argparse.Namespace, stack: contextlib.ExitStack) -> Console:
    """Return where lines go: to the terminal, and to a log of JSON lines if one is wanted."""
    if args.log_file is not None:
        log = stack.enter_context(args.log_file.open("a", encoding="utf-8"))
        return Console(sys.stdout, log)
    return Console(log=sys.stderr) if args.log_format == "json" else Console()


def _checked(args: argparse.Namespace) -> tuple[Configuration, dict[str, DevicePlan]]:
    """Return the configuration and the plan of each device; raise if anything is wrong."""
    configuration = load_configuration(args.config)
    if args.parameters is not None:
        from tracker.build.engine import with_artefact

        configuration = with_artefact(configuration, args.parameters)
    plans = device_plans(configuration)
    refuse_other_latency(configuration)
    _refuse_missing(args.config, configuration, plans)
    for plan in plans.values():
        build_device(plan, lambda: 0, lambda event: None)  # a wrong setting is told now
    return configuration, plans


def _refuse_missing(path: Path, configuration: Configuration, plans: dict[str, DevicePlan]) -> None:
    """Raise `ConfigurationError` for a device that the controller needs and no wire leads to."""
    controller = configuration.controller
    machine = machine_kind(controller.actuator.kind)
    needed = ["imager", "gate"]
    if machine.moves:
        needed.insert(1, "actuator")
    if machine.turns and controller.linac.enabled:
        needed.append("linac")
    missing = [
        f"{path}: wires.{section}: missing; add it" for section in needed if section not in plans
    ]
    enabled = [
        name for name, s in configuration.controller.surrogate_sources().items() if s.enabled
    ]
    if not any(name in plans for name in enabled):
        wires = ", ".join(f"wires.{name}" for name in enabled)
        missing.append(
            f"{path}: no surrogate source has a wire; add a section for at least one: {wires}"
        )
    if missing:
        raise ConfigurationError(missing)


def _journal(
    args: argparse.Namespace,
    configuration: Configuration,
    console: Console,
    stack: contextlib.ExitStack,
) -> tuple[Path, CataloguedRecording | None]:
    """Return where to record, and the catalogue of the folder unless a file was named."""
    journal: Path | None = args.journal
    recording: CataloguedRecording | None = None
    if journal is None:
        recording = stack.enter_context(
            CataloguedRecording(Path(configuration.operation.records.folder))
        )
        journal = recording.new(args.config.stem)
        for died in recording.died:
            console.say(f"warning: {died.name} {died.ending}")
    if journal.exists():
        raise JournalError(f"{journal}: exists already, nothing was written; name another file")
    return journal, recording


def _passes_self_test(
    configuration: Configuration, plans: dict[str, DevicePlan], folder: Path, console: Console
) -> bool:
    """Run the self-test, say every finding, and tell whether all passed."""
    findings = self_test(configuration, plans, folder)
    for finding in findings:
        console.say(finding.line())
    passed = all(finding.passed for finding in findings)
    if not passed:
        console.say("start refused by the self-test")
    return passed


def _service(
    args: argparse.Namespace,
    configuration: Configuration,
    run_id: str,
    roles: dict[str, str],
    clock: HostClock,
    console: Console,
    ready: ReadyFile,
    stack: contextlib.ExitStack,
) -> RequestService | None:
    """Open the service and start the page server, as configured."""
    page = configuration.operation.console.start == "child"
    if page:
        console_key(configuration)
    if not configuration.operation.service.enabled:
        return None
    service = stack.enter_context(RequestService(configuration, run_id, roles, clock, console.say))
    ready.add(requests=service.requests_at, state=service.state_at)

    def page_is_at(address: str) -> None:
        service.page_is_at(address)
        ready.add(page=address)

    if page:
        stack.enter_context(PageServer(args.config, service.requests_at, console.say, page_is_at))
    return service


def _header(
    args: argparse.Namespace, configuration: Configuration, clock: HostClock, run_id: str
) -> Header:
    return make_header(
        configuration.text,
        None,
        {
            "run": "live",
            "trace": "live",
            "config": str(args.config),
            "monotonic_start_ns": str(clock.start_ns),
            "self_test": "not done" if args.no_self_test else "passed",
            "run_id": run_id,
        },
    )
