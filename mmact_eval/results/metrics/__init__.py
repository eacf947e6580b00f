"""What is measured of episodes, as data: every table and report loops over these.

`metric` says what a metric is, `kinds` how values of episodes become a number with an interval and are compared,
`built_in` lists the package's own, `collecting` says which a run has, `comparing` sets two arms beside each other.
A figure that nobody has heard of is a metric by itself (its mean). One that needs more costs an entry in `built_in`, or
an entry point in the group ``mmact_eval.metrics`` that names a `Metric` or a sequence of them.
"""
