"""Media relays of the daemon `rtpengine`, one or a fleet, driven over its `ng` protocol.

Theory of operation. One call at rtpengine is one session of ours. Its two monologues, "caller"
and "callee", are joined by an offer of the callee and an answer of the caller. What a side has
not said yet is told by a placeholder that has no address, so that rtpengine binds the ports and
makes the keys of both sides when the session opens:

    offer, answer       open; and set_remote, which says again what both sides are by now
    play, stop media    prompts; what the other side says is blocked meanwhile
    block media         set_muted
    subscribe           listen: a copy of what the side sends, to a socket of ours
    start recording     one pcap file of both sides, taken apart when the session closes
    query               quality, and when something came last
    delete              close

A re-offer never moves a port ("port latching") and never changes a key that was offered once.
"""
