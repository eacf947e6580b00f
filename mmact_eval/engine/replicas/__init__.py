"""Replicas of a policy: the same policy made several times, in processes of their own, each on its GPU.

`recipe` says how to make it again, `replica` is what such a process does with what it is told (`messages`), `pool` says
which replica is asked what. An engine brings the messages there and back: `link` says what it has to offer.
"""
