"""Tests of the same radiograph in two places."""
