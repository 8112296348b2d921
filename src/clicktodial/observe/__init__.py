"""How the platform is watched: logs."""
