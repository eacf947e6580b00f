"""`mmact-eval probe`: finds the silent errors between a policy and an environment before hours are spent on rollouts.

A black box can only be asked. So recorded expert observations are played to it, as they are and altered, and its
answers are compared with what the expert did, as they are and read differently. A policy that has learned the task
agrees with the expert best when nothing is wrong; if an altered picture or another reading of its numbers agrees
clearly better, that is what is wrong.
"""
