"""The people of all enterprises, and the operator's own."""
