"""Codecs beyond G.711, as arithmetic: bytes in, samples out, no I/O."""
