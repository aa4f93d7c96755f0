"""`tidetrack monitor`: watch a daemon from a process of its own, or reset the gate's latch."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from pathlib import Path

from hal.errors import LinkError
from hal.modbus.driver import ModbusWire
from hal.modbus.trip import READ_INPUTS, ModbusReplies, read_bit, write_bit
from tracker.config import ConfigurationError, load_configuration
from tracker.live.dead_man.heartbeat import (
    default_page,
    monitor_command,
    monitor_environment,
    watch_of,
)
from tracker.live.dead_man.monitor import MonitorSetup

ANSWER_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="the configuration the daemon runs"
    )
    parser.add_argument(
        "--reset",
        action="store_true",
        help="do not watch: reset the gate's latch, once it is known why it was set",
    )


def run(args: argparse.Namespace) -> int:
    """Become the monitor, or reset the latch; 1 when the latch stays set."""
    configuration = load_configuration(args.config)
    settings = configuration.operation.monitor
    watch = watch_of(configuration, settings.page or default_page())
    if args.reset:
        wire = configuration.wires.settings("gate") if configuration.wires else None
        assert isinstance(wire, ModbusWire)
        return _reset(args.config, watch, wire.session.reset_coil)
    if settings.start != "apart":
        raise ConfigurationError(
            [
                f"{args.config}: monitor.start: is {settings.start!r}, and a monitor that stands by"
                ' itself would not be heard; set "apart"'
            ]
        )
    sys.stdout.flush()
    command = monitor_command(watch)
    os.execve(command[0], command, monitor_environment())
    raise AssertionError("execve does not return")


def _reset(config: Path, watch: MonitorSetup, reset_coil: int | None) -> int:
    if reset_coil is None or watch.trip_coil < 0:
        raise ConfigurationError(
            [f"{config}: wires.gate.session.reset_coil: none; reset the latch with its key"]
        )
    try:
        with socket.create_connection((watch.host, watch.port), ANSWER_S) as wire:
            tripped = _pulse(wire, watch, reset_coil)
    except (OSError, ValueError) as error:
        raise LinkError(f"gate tcp://{watch.host}:{watch.port}: {error}") from None
    print("the gate's latch is still set" if tripped else "the gate's latch is reset")
    return 1 if tripped else 0


def _pulse(wire: socket.socket, watch: MonitorSetup, reset_coil: int) -> bool:
    """Trip off, reset on and off again; whether the latch is set then."""
    _ask(wire, write_bit(1, watch.unit, watch.trip_coil, False))
    _ask(wire, write_bit(2, watch.unit, reset_coil, True))
    time.sleep(0.1)  # a relay's time
    _ask(wire, write_bit(3, watch.unit, reset_coil, False))
    return bool(_ask(wire, read_bit(4, watch.unit, READ_INPUTS, watch.tripped_input)))


def _ask(wire: socket.socket, telegram: bytes) -> bool | None:
    wire.sendall(telegram)
    replies = ModbusReplies()
    while True:
        data = wire.recv(4096)
        if not data:
            raise OSError("closed by the gate")
        for reply in replies.take(data):
            if reply.exception:
                raise ValueError(f"refused, exception {reply.exception}")
            return reply.bit
