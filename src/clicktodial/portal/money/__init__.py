"""Minutes and money: the pool, its movements, CDRs, statements; and what is sold."""
