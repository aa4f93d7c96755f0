"""Report a session: its summary as JSON, and a page that explains it.

A simulation gathers its records as it goes (`Collector`) and needs no journal; everybody else
takes them from one (`collect`). Both then go the same way.
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
