"""Tests of the leak guard."""
