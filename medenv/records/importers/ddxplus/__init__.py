"""DDXPlus patients as records."""

from medenv.records.importers.ddxplus.importer import DDXPLUS

__all__ = ["DDXPLUS"]
