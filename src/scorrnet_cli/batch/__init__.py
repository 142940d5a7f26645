"""Sequences: which images, in what order, and how nothing of them is lost.

Data flows one way, over three threads, so that the one in the middle never waits for a disk::

    sources -> reading | -> run (pipeline) | -> parts -> whole

`sources` and `watch` say which images there are, `reading` decodes them ahead, `run` measures, `parts` keeps each
frame on the disk as soon as it is measured, and `whole` makes the result of them at the end. `shared` does the same
by the workers of a `cluster`; what both do before and after is `around`, and `attempt` measures one frame.
"""
