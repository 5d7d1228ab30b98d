"""Backends: where language models run."""
