"""For all tests: a property is true or not; how long an example takes on a busy machine decides nothing."""

from hypothesis import settings

settings.register_profile("no-clock", deadline=None)
settings.load_profile("no-clock")
