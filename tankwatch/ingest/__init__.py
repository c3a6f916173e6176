"""Readings on their way in: parsed, put into canonical units, and accepted or quarantined."""
