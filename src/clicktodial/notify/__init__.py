"""Status notifications: from the outbox to the applications' servers, in order, signed."""
