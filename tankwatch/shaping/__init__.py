"""Readings to blocks to windows: small pure functions on numpy."""
