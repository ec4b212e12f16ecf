"""Metrics computed from a frozen evaluation bundle: no model, no GPU."""
