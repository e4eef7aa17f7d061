"""The words of the house: frozen records and enumerations, no input or output.

The modules: `misp` (what MISP holds), `indicator` (what Microsoft gets), `outcome` (what became of it, and why),
`account` (the record that reports render).
"""
