"""Results for people: tables in the terminal and a page that opens offline."""

from oddscape.report.comparison import difference_tables, published_tables
from oddscape.report.differences import find_baseline
from oddscape.report.page import write_report
from oddscape.report.sections import Section, sections
from oddscape.report.table import results_tables

__all__ = [
    "Section",
    "difference_tables",
    "find_baseline",
    "published_tables",
    "results_tables",
    "sections",
    "write_report",
]
