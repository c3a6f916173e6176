"""From a queued notice to a mail an operator can act on: policy, render, plot, email."""
