"""The HTML report of tables' folders."""

from experiments.report.page import write_report

__all__ = ["write_report"]
