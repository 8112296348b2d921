"""The people of one's own enterprise, and what each may do."""
