"""AI Hospital's Chinese cases as records."""

from medenv.records.importers.ai_hospital.importer import AI_HOSPITAL

__all__ = ["AI_HOSPITAL"]
