"""The demonstration: one whole call on this machine, shown, checked and drawn.

Four processes take part, each as its user would start it: the platform, the simulated carrier,
the sample application server, and this one, which only asks by HTTP and reads what the others
tell on standard output.
"""
