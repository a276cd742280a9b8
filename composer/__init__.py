"""How a collection is made: settings, plan, pool, ledger, index, and the image conversion that they drive."""
