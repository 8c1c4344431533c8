"""The HTTP interface: writes wants, reads state. It decides nothing and changes no engine."""
