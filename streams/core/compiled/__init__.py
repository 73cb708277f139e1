"""Loops that numba compiles: they hold no interpreter lock and reach arrays by pointers.

Passing arrays from function to function would count references each time, which costs more than
what these functions do. So the outermost function of a module takes arrays and the others pointers.
"""
