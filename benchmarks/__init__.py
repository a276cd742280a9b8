"""Measurements that `make bench` repeats; docs/performance.md holds the last figures."""
