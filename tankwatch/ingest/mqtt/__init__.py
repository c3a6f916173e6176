"""Readings from MQTT brokers."""
