"""Tests of the pool of processes."""
