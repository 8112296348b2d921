"""Minutes and money: pools, the ledger, reservations, rating, CDRs, statements."""
