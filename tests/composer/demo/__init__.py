"""Tests of the miniatures."""
