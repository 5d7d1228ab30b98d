"""Records: one de-identified patient each, sets of them, and the gates they pass before anybody sees them."""

from medenv.records.loading import load_records
from medenv.records.record import Record, record_from_dict, record_to_dict
from medenv.records.record_set import RecordSet

__all__ = ["Record", "RecordSet", "load_records", "record_from_dict", "record_to_dict"]
