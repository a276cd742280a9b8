"""Who is one patient across datasets, and the fold of each: a split that never parts a patient."""

from __future__ import annotations
