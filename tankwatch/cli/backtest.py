"""backtest: the production path over history, judged against labels, beside the baselines."""

import typer


def register(app: typer.Typer) -> None:
    """Add these commands."""
