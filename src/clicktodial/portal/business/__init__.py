"""The operator's business: customers, their way to the service, and who decides."""
