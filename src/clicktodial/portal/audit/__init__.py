"""Who did what: one's own enterprise, or all of it for the operator."""
