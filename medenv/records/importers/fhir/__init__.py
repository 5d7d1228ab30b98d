"""FHIR R4 bundles as records."""

from medenv.records.importers.fhir.importer import FHIR

__all__ = ["FHIR"]
