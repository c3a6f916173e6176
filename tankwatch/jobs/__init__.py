"""Scheduled work: each job reads as one ordered list of stages."""
