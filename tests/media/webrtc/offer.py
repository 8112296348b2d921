"""What a browser offers."""

FINGERPRINT = ":".join(["AB"] * 32)
OFFER = f"""v=0
o=- 4951653826580960824 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS stream
m=audio 35499 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 127.0.0.1
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:489299108 1 udp 2122194687 127.0.0.1 35499 typ host generation 0 network-id 3
a=candidate:1 1 UDP 2122063615 192.0.2.2 38046 typ srflx raddr 10.0.0.7 rport 5000 generation 0
a=candidate:808700031 1 udp 2122267903 ::1 39856 typ host generation 0 network-id 4
a=candidate:2 1 udp 2122267903 3f0c6f4e-0a4e-4a39-9d3e-6f0c.local 39856 typ host generation 0
a=candidate:1676017212 1 tcp 1518214911 127.0.0.1 9 typ host tcptype active generation 0
a=ice-ufrag:9Moh
a=ice-pwd:n16Zd4M6wMcxI4JV76Gu6Gnf
a=ice-options:trickle
a=fingerprint:sha-256 {FINGERPRINT.lower()}
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:2972982066 cname:P6NGhoHG7FbKTfTo
""".replace("\n", "\r\n")
