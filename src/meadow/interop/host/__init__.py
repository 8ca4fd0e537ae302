"""Environments of other libraries, as programs that our loops can step."""

from meadow.interop.host.named import host as host
