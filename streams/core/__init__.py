"""The rules: decode, decide, price, fold. No I/O, no clock; time and rows are passed in."""
