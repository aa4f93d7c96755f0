"""Variants of one recording, as hospitals and trackers export it: for the tests of the import.

``VARIANTS`` must all give the samples of ``times_s`` and ``chest_mm`` (and ``target_mm``, where the
variant has it); ``UNCLEAR`` can be read in two ways and must be refused with the question.
"""

from __future__ import annotations

import datetime
import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

COUNT = 400
RATE_HZ = 20.0
START = datetime.datetime(2025, 6, 4, 23, 59, 50, tzinfo=datetime.UTC)
"""Ten seconds before midnight."""

times_s = [k / RATE_HZ for k in range(COUNT)]
chest_mm = [
    round(6.0 * math.cos(math.pi * t / 4.0) ** 4 + 0.8 * math.sin(0.9 * t) - 1.234, 4)
    for t in times_s
]
target_mm = {
    "si": [round(-1.7 * v + 0.3, 4) for v in chest_mm],
    "ap": [round(0.4 * v - 0.2, 4) for v in chest_mm],
    "lr": [round(0.1 * v + 0.05, 4) for v in chest_mm],
}
missing = {37, 38, 211}
"""Samples without a value, in the variants that have some."""


class Variant(NamedTuple):
    """One file: its name, how it is written, the channels that come of it, and the options."""

    name: str
    content: Callable[[], bytes]
    channels: dict[str, list[float]]
    options: tuple[str, ...] = ()
    blank: bool = False
    beside: dict[str, Callable[[], bytes]] = {}
    part: str = ""


EXT = {"ext_mm": chest_mm}
BOTH = {"ext_mm": chest_mm, **{f"int_{axis}_mm": values for axis, values in target_mm.items()}}
BELT = {"belt_au": chest_mm}
LATERALS = {f"int_{axis}_mm": values for axis, values in target_mm.items()}


def number(value: float, digits: int = 6) -> str:
    """Write a number with a dot."""
    return f"{value:.{digits}f}"


def comma(value: float, digits: int = 6) -> str:
    """Write a number with a decimal comma."""
    return number(value, digits).replace(".", ",")


def rows(separator: str, *columns: list[str]) -> list[str]:
    """Return lines of cells."""
    return [separator.join(row) for row in zip(*columns, strict=True)]


def text(lines: list[str], end: str = "\n", encoding: str = "utf-8") -> Callable[[], bytes]:
    """Return a file of lines."""
    return lambda: (end.join(lines) + end).encode(encoding)


def seconds(digits: int = 3) -> list[str]:
    return [number(t, digits) for t in times_s]


def chest(factor: float = 1.0, write: Callable[[float, int], str] = number) -> list[str]:
    return [write(v * factor, 8) for v in chest_mm]


def axis(name: str, factor: float = 1.0) -> list[str]:
    return [number(v * factor, 8) for v in target_mm[name]]


def milliseconds() -> list[str]:
    return [f"{1000.0 * t:.0f}" for t in times_s]


def clock(form: str) -> list[str]:
    """Return the time of the day from shortly before midnight on."""
    made: list[str] = []
    for t in times_s:
        stamp = START + datetime.timedelta(seconds=t)
        made.append(stamp.strftime(form).replace("%L", f"{stamp.microsecond // 1000:03d}"))
    return made


def epoch(factor: float) -> list[str]:
    """Return Unix times in units of 1 / ``factor`` seconds, without losing digits."""
    begin = 1_749_081_590
    return [
        f"{begin + t:.3f}" if factor == 1 else str(begin * int(factor) + round(t * factor))
        for t in times_s
    ]


def with_gaps(cells: list[str], mark: str) -> list[str]:
    return [mark if row in missing else cell for row, cell in enumerate(cells)]


def plain(header: str, separator: str = ",", *columns: list[str]) -> list[str]:
    return [header, *rows(separator, *(columns or (seconds(), chest())))]


def spreadsheet() -> bytes:
    """Return an .xlsx with a title, a header row and a units row."""
    import io

    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Respiration export"])
    sheet.append(["Time", "Amplitude"])
    sheet.append(["s", "cm"])
    for t, v in zip(times_s, chest_mm, strict=True):
        sheet.append([t, v / 10.0])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def ndi() -> bytes:
    head = "Tools,Port 1,Frame,Face,State,Q0,Qx,Qy,Qz,Tx,Ty,Tz,Error,Timestamp [s]"
    lines = [head]
    for k, (t, v) in enumerate(zip(times_s, chest_mm, strict=True)):
        seen = k not in missing
        z = number(v - 900.0) if seen else "-3.697314E28"
        x, y = ("10.5", "-20.25") if seen else ("-3.697314E28", "-3.697314E28")
        state = "OK" if seen else "Missing"
        lines.append(f"1,PortA,{6000 + 3 * k},0,{state},1,0,0,0,{x},{y},{z},0.1,{t:.3f}")
    return ("\n".join(lines) + "\n").encode()


def blanked(values: list[float]) -> list[float]:
    return [math.nan if row in missing else value for row, value in enumerate(values)]


CP = "cp1252"
VARIANTS: dict[str, Variant] = {
    "project csv": Variant("a.csv", text(plain("time_s,ext_mm")), EXT),
    "semicolons": Variant("a.csv", text(plain("Time [s];Amplitude [mm]", ";")), EXT),
    "tabs": Variant("a.txt", text(plain("Time (s)\tAmplitude (mm)", "\t")), EXT),
    "bars": Variant("a.txt", text(plain("t/s|Amplitude/mm", "|")), EXT),
    "blanks": Variant("a.dat", text(plain("# t_s  chest_mm", "   ")), EXT),
    "quotes": Variant(
        "a.csv",
        text(plain('"Time [s]","Amplitude [mm]"', ",", [f'"{c}"' for c in seconds()],
                   [f'"{c}"' for c in chest()])), EXT),
    "byte order mark": Variant(
        "a.csv", text(plain("Time [s],Amp [mm]"), encoding="utf-8-sig"), EXT),
    "UTF-16": Variant("a.csv", text(plain("Time [s]\tAmp [mm]", "\t"), encoding="utf-16"), EXT),
    "UTF-16 without mark": Variant(
        "a.csv", text(plain("Time [s]\tAmp [mm]", "\t"), encoding="utf-16-le"), EXT),
    "Windows-1252": Variant(
        "a.csv", text(["Gerät: Übung",
                       *plain("Zeit [s];Atemkurve [µm]", ";", seconds(), chest(1e3))],
                      encoding=CP), EXT),
    "carriage returns": Variant("a.csv", text(plain("Time [s],Amp [mm]"), end="\r"), EXT),
    "CRLF": Variant("a.csv", text(plain("Time [s],Amp [mm]"), end="\r\n"), EXT),
    "units row": Variant(
        "a.csv", text(["Time;Amplitude", "ms;cm", *rows(";", milliseconds(), chest(0.1))]), EXT),
    "units row in brackets": Variant(
        "a.csv", text(["Time,Amplitude", "[s],[mm]", *rows(",", seconds(), chest())]), EXT),
    "decimal commas": Variant(
        "a.csv", text(plain("Zeit [s];Amplitude [mm]", ";", [comma(t, 3) for t in times_s],
                            chest(write=comma))), EXT),
    "quoted decimal commas": Variant(
        "a.csv", text(plain("Time [s],Amplitude [mm]", ",",
                            [f'"{comma(t, 2)}"' for t in times_s],
                            [f'"{c}"' for c in chest(write=comma)])), EXT),
    "thousands and decimals": Variant(
        "a.csv", text(plain("Time [ms];Amplitude [mm]", ";",
                            [f"{1000 * t:,.1f}" for t in times_s], chest())), EXT),
    "milliseconds": Variant(
        "a.csv", text(plain("Time [ms],Amplitude [mm]", ",", milliseconds(), chest())), EXT),
    "milliseconds not said": Variant(
        "a.csv", text(plain("Timestamp,Amplitude [mm]", ",", milliseconds(), chest())), EXT),
    "microseconds": Variant(
        "a.csv", text(plain("time_us,amp_mm", ",", [f"{1e6 * t:.0f}" for t in times_s],
                            chest())), EXT),
    "minutes": Variant(
        "a.csv", text(plain("Time (min),Amp (mm)", ",", [number(t / 60.0, 9) for t in times_s],
                            chest())), EXT, ("--time", "Time (min):min")),
    "clock past midnight": Variant(
        "a.csv", text(plain("Uhrzeit;Amp [mm]", ";", clock("%H:%M:%S.%L"), chest())), EXT),
    "clock with comma": Variant(
        "a.csv", text(plain("Uhrzeit;Amp [mm]", ";", clock("%H:%M:%S,%L"), chest(write=comma))),
        EXT),
    "twelve hours": Variant(
        "a.csv", text(plain("Time,Amp [mm]", ",", clock("%I:%M:%S.%L %p"), chest())), EXT),
    "days of a spreadsheet": Variant(
        "a.csv", text(plain("Time,Amp [mm]", ",", [f"{45000.5 + t / 86400:.10f}" for t in times_s],
                            chest())), EXT),
    "a header on each page": Variant(
        "a.csv", text([*plain("Time [s];Amp [mm]", ";")[:200], "Time [s];Amp [mm]",
                       *plain("Time [s];Amp [mm]", ";")[200:]]), EXT),
    "ISO 8601": Variant(
        "a.csv", text(plain("timestamp,Amp [mm]", ",", clock("%Y-%m-%dT%H:%M:%S.%LZ"), chest())),
        EXT),
    "date and time": Variant(
        "a.csv", text(plain("Datum;Zeit;Amp [mm]", ";", clock("%d.%m.%Y"), clock("%H:%M:%S.%L"),
                            chest())), EXT),
    "epoch seconds": Variant("a.csv", text(plain("Epoch,Amp [mm]", ",", epoch(1), chest())), EXT),
    "epoch milliseconds": Variant(
        "a.csv", text(plain("timestamp,Amp [mm]", ",", epoch(1e3), chest())), EXT),
    "epoch nanoseconds": Variant(
        "a.csv", text(plain("timestamp,Amp [mm]", ",", epoch(1e9), chest())), EXT),
    "centimetres": Variant(
        "a.csv", text(plain("Time [s],Amp [cm]", ",", seconds(), chest(0.1))), EXT),
    "metres": Variant("a.csv", text(plain("Time [s],chest [m]", ",", seconds(), chest(1e-3))), EXT),
    "unit in the cells": Variant(
        "a.csv", text(plain("Time,Amplitude", ",", [f"{c} s" for c in seconds()],
                            [f"{c} cm" for c in chest(0.1)])), EXT),
    "unit in the preamble": Variant(
        "a.csv", text(["Export 3.1", "Units: mm", *plain("Time [s],Amplitude")]), EXT),
    "inverted axis": Variant(
        "a.csv", text(plain("t [s],Inferior [mm],Posterior [cm],Right [mm]", ",", seconds(),
                            axis("si", -1.0), axis("ap", -0.1), axis("lr", -1.0))), LATERALS),
    "minus before the name": Variant(
        "a.csv", text(plain("t [s],-SI [mm],AP [mm],LR [mm]", ",", seconds(), axis("si", -1.0),
                            axis("ap"), axis("lr"))), LATERALS),
    "direction said": Variant(
        "a.csv", text(plain("t [s],CC (+ inferior) [mm],PA (+ anterior) [mm],LR [mm]", ",",
                            seconds(), axis("si", -1.0), axis("ap"), axis("lr"))), LATERALS),
    "target and chest": Variant(
        "a.csv", text(plain("Frame,Time [s],Tumor SI [mm],Tumor AP [mm],Tumor LR [mm],RPM [cm]",
                            ",", [str(k) for k in range(COUNT)], seconds(), axis("si"),
                            axis("ap"), axis("lr"), chest(0.1))), BOTH),
    "amplitude and phase": Variant(
        "a.csv", text(plain("Time [s],Amplitude [mm],Phase [deg],TTL", ",", seconds(), chest(),
                            [f"{(90 * t) % 360:.2f}" for t in times_s], ["0"] * COUNT)), EXT),
    "blank cells": Variant(
        "a.csv", text(plain("Time [s],Amp [mm]", ",", seconds(), with_gaps(chest(), ""))), EXT,
        blank=True),
    "NA cells": Variant(
        "a.csv", text(plain("Time [s];Amp [mm]", ";", seconds(), with_gaps(chest(), "NA"))), EXT,
        blank=True),
    "-9999 for missing": Variant(
        "a.csv", text(plain("Time [s];Amp [mm]", ";", seconds(), with_gaps(chest(), "-9999"))), EXT,
        blank=True),
    "tracked or lost": Variant(
        "a.csv", text(plain("Time [s],Amp [mm],Status", ",", seconds(),
                            with_gaps(chest(), "12.5"),
                            ["Lost" if k in missing else "Tracked" for k in range(COUNT)])), EXT,
        blank=True),
    "several patients": Variant(
        "a.csv", text(plain("Patient,Time [s],Amp [mm]", ",",
                            ["P1"] * COUNT + ["P2"] * COUNT, seconds() * 2,
                            chest() + chest(-2.0))), EXT, part="P1"),
    "preamble and footer": Variant(
        "a.csv", text(["Device;Belt 3", "Operator;N. N.", "", "Time [s];Amp [mm]",
                       *rows(";", seconds(), chest()), "", "End of export"]), EXT),
    "separator at the end": Variant(
        "a.csv", text(["Time [s];Amp [mm];",
                       *(f"{row};" for row in rows(";", seconds(), chest()))]), EXT),
    "pandas index": Variant(
        "a.csv", text(plain(",time_s,amp_mm", ",", [str(k) for k in range(COUNT)], seconds(),
                            chest())), EXT),
    "reversed rows": Variant(
        "a.csv", text(["Time [s],Amp [mm]", *reversed(rows(",", seconds(), chest()))]), EXT),
    "typographic minus": Variant(
        "a.csv", text(plain("Time [s];Amp [mm]", ";", seconds(),
                            [c.replace("-", "\u2212") for c in chest()])), EXT),
    "scientific": Variant(
        "a.csv", text(plain("Time [s];Amp [mm]", ";", [f"{t:.6E}" for t in times_s],
                            [f"{v:.9E}" for v in chest_mm])), EXT),
    "rate in the preamble": Variant(
        "a.csv", text(["Sampling rate: 20 Hz", "Sample,Amplitude [mm]",
                       *rows(",", [str(k) for k in range(COUNT)], chest())]), EXT),
    "no time, rate given": Variant(
        "a.csv", text(plain("Frame,Amplitude [mm]", ",", [str(k) for k in range(COUNT)], chest())),
        EXT, ("--rate-hz", "20")),
    "mapped": Variant(
        "a.csv", text(plain("Time [ms],Amp,Other", ",", milliseconds(), chest(0.1),
                            ["7"] * COUNT)), EXT, ("--map", "Amp:ext_mm:cm")),
    "gzip": Variant(
        "a.csv.gz", lambda: gzip.compress(text(plain("Time [s],Amp [mm]"))()), EXT),
    "spreadsheet": Variant("a.xlsx", spreadsheet, EXT),
    "belt in newton": Variant("a.csv", text(plain("Time (s),Force (N)")), BELT),
    "Vernier": Variant(
        "a.csv", text(plain("Data Set 1:Time(s),Data Set 1:Force(N)")), BELT),
    "NDI": Variant("a.csv", ndi, {"tool_1_z_mm": [v - 900.0 for v in chest_mm]}, blank=True),
    "Synchrony log": Variant(
        "Markers_1.log",
        text(["Time LED1_X LED1_Y LED1_Z", *rows(" ", epoch(1), ["1.5"] * COUNT, ["2.5"] * COUNT,
                                                 chest())]), {"led_1_z_mm": chest_mm}),
    "BIDS": Variant(
        "sub-01_task-rest_physio.tsv.gz",
        lambda: gzip.compress(("\n".join(chest()) + "\n").encode()), BELT,
        beside={"sub-01_task-rest_physio.json": lambda: json.dumps(
            {"SamplingFrequency": 20.0, "StartTime": 0, "Columns": ["respiratory"]}).encode()}),
    "depth camera": Variant(
        "a.csv", text(plain("timestamp_ms,roi_mean_depth_m", ",", milliseconds(),
                            [number((950.0 - v) / 1000.0, 9) for v in chest_mm])),
        {"surface_mm": [v - 950.0 for v in chest_mm]}),
}  # fmt: skip

UNCLEAR: dict[str, tuple[Callable[[], bytes], str]] = {
    "no unit of length": (text(plain("Time [s],Amplitude")), "unit"),
    "seconds that look like milliseconds": (
        text(plain("time_s,ext_mm", ",", milliseconds(), chest())), "ms"),
    "no column of time": (text(plain("Wert A,Amp [mm]")), "time"),
    "no header": (text(rows(",", seconds(), chest())), "time"),
    "PA without a direction": (
        text(plain("Time [s],PA [mm]", ",", seconds(), axis("ap"))), "positive"),
    "lateral without a direction": (
        text(plain("Time [s],Lateral [mm]", ",", seconds(), axis("lr"))), "left"),
    "tumour without an axis": (text(plain("Time [s],Tumor [mm]")), "axis"),
    "tumour in x": (text(plain("Time [s],Tumor X [mm]")), "axis"),
    "thousands or decimals": (
        text(plain("Time [ms];Amp [mm]", ";", milliseconds(),
                   [f"{1 + k % 9},{100 + k % 900}" for k in range(COUNT)])), "--decimal"),
    "commas for all": (
        text(plain("Time [s],Amp [mm]", ",", [comma(t, 2) for t in times_s],
                   chest(write=comma))), "comma"),
    "two times": (
        text(plain("Time [s],Clock,Amp [mm]", ",", seconds(), [number(1.5 * t, 3) for t in times_s],
                   chest())), "--time"),
    "whole seconds": (
        text(plain("Time,Amp [mm]", ",", clock("%H:%M:%S"), chest())), "--rate-hz"),
    "valid flag of 0 and 1": (
        text(plain("Time [s],Amp [mm],validflag", ",", seconds(), chest(),
                   [str(k % 2) for k in range(COUNT)])), "valid samples"),
    "two amplitudes": (
        text(plain("Time [s],Amp [mm],Amplitude [mm]", ",", seconds(), chest(), chest())),
        "--ignore"),
    "metres that are millimetres": (
        text(plain("Time [s],Amp [m]")), "m"),
    "unknown name": (
        text(plain("Time [s],Foo,Bar", ",", seconds(), chest(), chest())), "--map"),
    "unknown unit": (text(plain("Time [s],Amp [furlong]")), "unit"),
    "nanometres that are millimetres": (text(plain("Time [s],Amp [mm]", ",", seconds(),
                                                   chest(1e-4))), "unit"),
    "a word in the middle": (
        text(plain("Time [s],Amp [mm]", ",", seconds(),
                   [*chest()[:50], "cough", *chest()[51:]])), "cough"),
    "two recordings below each other": (
        text(plain("Time [s],Amp [mm]") * 2), "sort"),
    "directions of the couch": (
        text(plain("Time [s],Vrt [mm],Lng [mm],Lat [mm]", ",", seconds(), axis("ap"), axis("si"),
                   axis("lr"))), "positive"),
    "a stamp out of order": (
        text(plain("Time [s],Amp [mm]", ",", [*seconds()[:50], "1.0", *seconds()[51:]],
                   chest())), "sort"),
}  # fmt: skip


def write(variant: Variant, folder: Path) -> Path:
    """Write the files of a variant; return the one to be imported."""
    for name, content in variant.beside.items():
        (folder / name).write_bytes(content())
    path = folder / variant.name
    path.write_bytes(variant.content())
    return path
