"""The same radiograph in two places of a collection: pairs, their patients, and the folds of these."""
