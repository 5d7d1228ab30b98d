"""Clinical notes as records."""

from medenv.records.importers.clinical_notes.importer import CLINICAL_NOTES

__all__ = ["CLINICAL_NOTES"]
