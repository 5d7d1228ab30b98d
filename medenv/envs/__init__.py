"""Environments: the faces of a consultation, and their registration."""
