"""Run folders made of run folders: one small enough to publish, one of several parts."""
