"""Metrics of multi-label scores: pure functions of numpy arrays or torch tensors, and the same over batches."""

from zsl.metrics.chance import chance_average_precision, chance_f1_at_k
from zsl.metrics.counts import F1, Counts, best_labels, f1_at_k, f1_at_threshold, threshold_counts, top_k_counts
from zsl.metrics.image_ranking import LabelRanking, label_ranking
from zsl.metrics.precision import average_precision, mean_average_precision, mean_over_labels, weighted_mean
from zsl.metrics.stream import MetricStream

__all__ = [
    "F1",
    "Counts",
    "LabelRanking",
    "MetricStream",
    "average_precision",
    "best_labels",
    "chance_average_precision",
    "chance_f1_at_k",
    "f1_at_k",
    "f1_at_threshold",
    "label_ranking",
    "mean_average_precision",
    "mean_over_labels",
    "threshold_counts",
    "top_k_counts",
    "weighted_mean",
]
