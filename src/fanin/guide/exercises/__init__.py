"""Broken networks: name the cause, hand in a fix, and have it marked by training it."""

from fanin.guide.exercises.catalogue import exercises
from fanin.guide.exercises.exercise import Exercise

__all__ = ["Exercise", "exercises"]
