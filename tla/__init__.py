"""Trigger menu, rates, streams and the dijet search in trigger-level data."""
