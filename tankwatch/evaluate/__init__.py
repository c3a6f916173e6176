"""How good a detector is: event and point metrics, and the report of a backtest."""
