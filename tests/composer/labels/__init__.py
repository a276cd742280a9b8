"""Tests of the common vocabulary."""
