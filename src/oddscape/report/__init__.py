"""Results for people: a table in the terminal and a page that opens offline."""

from oddscape.report.page import write_report
from oddscape.report.sections import Section, sections
from oddscape.report.table import results_table

__all__ = ["Section", "results_table", "sections", "write_report"]
