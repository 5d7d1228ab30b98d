"""Reports: one page of HTML, complete in itself, about a training run or a file of trajectories."""

from medenv.reporting.report import write_report
from medenv.reporting.summary import Summary, read_summary, write_summary

__all__ = ["Summary", "read_summary", "write_report", "write_summary"]
