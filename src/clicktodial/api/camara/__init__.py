"""The CAMARA click-to-dial API, of which two versions are served by one code."""
