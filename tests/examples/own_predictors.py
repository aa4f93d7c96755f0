"""Predictors of one's own, as a researcher would write them: plain Python, one class each.

tidetrack bench recording.csv --predictors tests/examples/own_predictors.py:LagRegression
tidetrack bench --check tests/examples/own_predictors.py:LagRegression
"""

from collections import deque

import numpy as np
from filterpy.common import Q_discrete_white_noise
from filterpy.kalman import KalmanFilter


class LastPosition:
    """Says that everything stays where it is."""

    def begin(self, channels, rate_hz, horizon_ns):
        self.last = None

    def learn(self, t_ns, position_mm):
        self.last = position_mm

    def predict(self, at_ns):
        return None if self.last is None else (self.last, None)


class LagRegression:
    """Fits the last minute by least squares on ten lags of all channels, again every second."""

    def begin(self, channels, rate_hz, horizon_ns):
        self.ahead = max(1, round(horizon_ns * 1e-9 * rate_hz))
        self.lags, self.every = 10, max(1, round(rate_hz))
        self.samples = deque(maxlen=round(60 * rate_hz))
        self.weights, self.learned = None, 0

    def learn(self, t_ns, position_mm):
        self.samples.append(position_mm)
        self.learned += 1
        count = len(self.samples) - self.lags - self.ahead
        if self.learned % self.every == 0 and count > 3 * self.lags:
            past = np.array(self.samples)
            inputs = np.stack([self._window(past[k : k + self.lags]) for k in range(count)])
            wanted = past[self.lags - 1 + self.ahead :][:count]
            ridge = 1e-2 * np.eye(inputs.shape[1])
            self.weights = np.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ wanted)

    def predict(self, at_ns):
        if not self.samples:
            return None
        if self.weights is None:
            return self.samples[-1], None
        newest = np.array([self.samples[k] for k in range(-self.lags, 0)])
        return self._window(newest) @ self.weights, None

    def _window(self, lags):
        return np.append(lags.ravel(), 1.0)


class ConstantVelocity:
    """Runs filterpy's Kalman filter for each channel, and gives its own covariance."""

    def begin(self, channels, rate_hz, horizon_ns):
        self.filters, self.newest_ns = [], None
        for _ in range(channels):
            one = KalmanFilter(dim_x=2, dim_z=1)
            one.H, one.R, one.P = np.array([[1.0, 0.0]]), np.eye(1) * 0.01, np.eye(2) * 1e4
            self.filters.append(one)

    def learn(self, t_ns, position_mm):
        for one, value in zip(self.filters, position_mm, strict=True):
            if self.newest_ns is not None:
                step_s = (t_ns - self.newest_ns) * 1e-9
                one.predict(F=self._after(step_s), Q=Q_discrete_white_noise(2, step_s, 400.0))
            one.update(value)
        self.newest_ns = t_ns

    def predict(self, at_ns):
        if self.newest_ns is None:
            return None
        ahead_s = (at_ns - self.newest_ns) * 1e-9
        later, grown = self._after(ahead_s), Q_discrete_white_noise(2, max(ahead_s, 0.0), 400.0)
        means = [float((later @ one.x)[0, 0]) for one in self.filters]
        return np.array(means), np.diag(
            [float((later @ one.P @ later.T + grown)[0, 0]) for one in self.filters]
        )

    def save(self):
        return {"filters": self.filters, "newest_ns": self.newest_ns}

    def load(self, saved):
        self.filters, self.newest_ns = saved["filters"], saved["newest_ns"]

    def _after(self, step_s):
        return np.array([[1.0, step_s], [0.0, 1.0]])
