//! A distribution in HdrHistogram's own text form, for its plotters.

use hdrhistogram::Histogram;
use std::fmt::Write;

pub(super) fn render(histogram: &Histogram<u64>) -> String {
    let mut out = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n".to_owned();
    let mut below = 0;
    for value in histogram.iter_quantiles(5) {
        below += value.count_since_last_iteration();
        let quantile = value.quantile_iterated_to();
        let (at, total) = (value.value_iterated_to(), histogram.len());
        let _ = if quantile < 1.0 {
            writeln!(out, "{at:12} {quantile:14.12} {below:10} {:14.2}", 1.0 / (1.0 - quantile))
        } else {
            writeln!(out, "{at:12} {quantile:14.12} {total:10}")
        };
    }
    let _ = writeln!(out, "#[Mean = {:.3}, StdDeviation = {:.3}]", histogram.mean(), histogram.stdev());
    let _ = writeln!(out, "#[Max = {}, Total count = {}]", histogram.max(), histogram.len());
    out
}
