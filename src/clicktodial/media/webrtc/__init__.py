"""A browser as one side of a call (WebRTC).

Theory of operation. A browser speaks another language than a phone: it wants ICE (RFC 8445), keys
by DTLS (RFC 5764), and RTP and RTCP on one port (RFC 5761). So that no other part of the platform
has to, a gateway stands between it and the relay, which sees a phone like any other:

    browser  <-- ICE, DTLS-SRTP -->  gateway  <-- RTP -->  the call's relay  <-- RTP -->  phone

    sdp      what a browser offers, and what it is answered
    gateway  RTPProxy's engine (`rtp.io`), a second one in the process, with the modules `ice_lite`
             and `dtls_gw`; whatever relay the settings name has no part in it
    phone    the registry of browsers that wait for their call, and the leg that a call sees

Signalling is one exchange, as in WHIP (RFC 9725): the browser's offer comes with the order to call,
and the answer goes back with what is shown of the call. What a browser offers is hostile: it is
read by a grammar that lets nothing through that could be another command to RTPProxy.
"""
