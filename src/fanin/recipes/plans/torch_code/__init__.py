"""Schemes as plain torch code."""
