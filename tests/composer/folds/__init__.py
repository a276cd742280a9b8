"""Tests of patients, clusters and folds."""
