"""Export To Microsoft: threat intelligence from MISP into Microsoft Sentinel and Microsoft Defender."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
