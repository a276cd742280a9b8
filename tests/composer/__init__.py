"""Tests of how a collection is made."""
