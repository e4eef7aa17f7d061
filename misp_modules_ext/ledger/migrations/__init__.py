"""Alembic's environment and the migrations; `migrate` runs them."""
