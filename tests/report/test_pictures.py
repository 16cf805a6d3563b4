import numpy as np

from oddscape.report.heat import HEAT
from oddscape.report.pictures import heat_map


def test_heat_map_spans_the_quantiles_and_paints_undefined_scores_lowest():
    score = np.arange(10_000, dtype=np.float32).reshape(100, 100)
    score[0, 0], score[99, 99] = np.nan, np.inf
    painted = heat_map(score)
    assert painted[0, 0].tolist() == HEAT[0].tolist()
    assert painted[99, 99].tolist() == painted[99, 0].tolist() == HEAT[255].tolist()
    level = round(255 * (5000 - np.quantile(score[np.isfinite(score)], 0.01)) / (0.98 * 9998))
    assert painted[50, 0].tolist() == HEAT[level].tolist()
