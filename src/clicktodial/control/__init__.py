"""Use cases of calls: admission, one controller per live call, and the ports that they need."""
