"""Changes of the sample rate by two."""

import numpy as np
import numpy.typing as npt

# Of the filter, to either side: what it folds back is 60 dB down.
HALF_TAPS = 16
_KAISER_BETA = 6.0

Pcm = npt.NDArray[np.int16]


def double_rate(pcm: Pcm) -> Pcm:
    """Twice as many samples of the same sound: between any two, one that a filter finds."""
    offset = np.arange(-HALF_TAPS, HALF_TAPS) + 0.5
    taps = np.sinc(offset) * np.kaiser(2 * HALF_TAPS, _KAISER_BETA)
    taps /= taps.sum()
    doubled = np.empty(2 * len(pcm), dtype=np.int16)
    if not len(pcm):
        return doubled
    between = np.convolve(pcm.astype(np.float64), taps)[HALF_TAPS:][: len(pcm)]
    doubled[0::2] = pcm
    doubled[1::2] = np.clip(np.round(between), -32_768, 32_767)
    return doubled
