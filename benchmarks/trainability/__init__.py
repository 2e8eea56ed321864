"""Trainability: fitted on networks that were trained, tested on others."""
