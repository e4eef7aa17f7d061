"""From events to answers: who sends what, when, and what became of it.

The modules: `plan` (what should go, by rule set), `halving` (finding the guilty item of a refused request), `sender`
(requests in flight, retries, deadlines), `accounting` (every attribute's outcome), `submit` (the whole way).
"""
