"""Is a film another one again: candidates by their fingerprints, and what a source holds out."""
