"""How the platform is watched: logs and metrics."""
