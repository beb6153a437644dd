"""The main job end to end on the lab's cluster: serve, fault, rollback, re-distil, push back, and a cut link.

`plant` sets the stage, `traffic` sends real digits, `story` tells what happens. The e2e tests use the same pieces.
"""
