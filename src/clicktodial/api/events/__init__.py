"""What applications are told besides their calls."""
