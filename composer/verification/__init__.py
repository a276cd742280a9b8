"""Whether a collection is as it was written: compared with its plan and its ledger, never written to.

`composer.verification.verify` is the whole of it; `composer.repair` mends what it finds.
"""
