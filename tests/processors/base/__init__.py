"""Tests of what all processors share."""
