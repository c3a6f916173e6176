"""What a chart of a tank costs: buckets in SQL and roll-ups, against shipping the raw rows.

A store of 100 tanks: one has a year of a reading and a score a minute, the others two months.
"""
