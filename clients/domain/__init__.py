"""Rules of `clients`: values in, a verdict out; no Django, no clock, no I/O."""
