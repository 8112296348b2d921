"""The threads on which the management API waits for the database and for files."""

from clicktodial.web.worker import THREADS, WAITING_MAX, Worker

__all__ = ["THREADS", "WAITING_MAX", "Worker"]
