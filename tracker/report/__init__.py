"""Report a session: its summary as JSON, and a page that explains it.

A simulation gathers its records while it runs (`Collector`) and needs no journal. Every other
caller reads them from a journal (`collect`). Summary and page are then made in the same way.
"""

from tracker.report.command import report_page, save_report, write_report
from tracker.report.records import Collector, Records, collect
from tracker.report.summary import About, about_of, summarise, summary_of

__all__ = [
    "About",
    "Collector",
    "Records",
    "about_of",
    "collect",
    "report_page",
    "save_report",
    "summarise",
    "summary_of",
    "write_report",
]
