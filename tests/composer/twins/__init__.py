"""Tests of what finds a film again."""
