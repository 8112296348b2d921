"""Measures a running platform from outside: `python -m clicktodial.bench`, or `make bench`.

The platform is a process of its own that is spoken to by its command, HTTP and SIP only; what
it costs is read from the operating system. SIPp is both phones of every call.
"""
