"""What you need to test a script, or an adapter of your own, against holdfast's promises."""

from __future__ import annotations

from holdfast.testing.notifiers import NotifierSuite
from holdfast.testing.outputs import OutputSuite
from holdfast.testing.probes import ProbeSuite
from holdfast.testing.sources import SourceSuite
from holdfast.testing.stores import StoreSuite

__all__ = ["NotifierSuite", "OutputSuite", "ProbeSuite", "SourceSuite", "StoreSuite"]
