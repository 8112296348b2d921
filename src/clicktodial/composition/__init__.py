"""The parts of a node, each built of what it needs: `main` says in which order.

A builder starts what it builds, and leaves on the stack of the foundation how that is stopped.
"""
