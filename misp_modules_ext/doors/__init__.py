"""The ways in from MISP: what the module files of `modules/` delegate to.

The modules: `common` (configuration, deadlines, the last resort for errors), `export`, `action`,
`push_attribute`.
"""
