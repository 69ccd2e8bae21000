"""What follows a training run from outside: functions, callbacks, and the trackers that `log` names."""

from aae.tracking.callbacks import Audience, Callback, Listener, Progress, following
from aae.tracking.trackers import TRACKERS, trackers

__all__ = ["TRACKERS", "Audience", "Callback", "Listener", "Progress", "following", "trackers"]
