"""Readings from OPC UA servers."""
