//! Bars as inline SVG: attributes and classes only, each bar a link with a name, so that
//! the plot is read without seeing it and without a script.

/// Least width of the drawing area and height of the highest bar, in units of the SVG.
const WIDTH: i64 = 960;
const HEIGHT: i64 = 180;
/// Room below for dates.
const BELOW: i64 = 24;

/// One kind of bar.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) tone: &'static str,
}

/// Bars, put together.
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) legend: Vec<Series>,
    pub(super) bars: Vec<Bar>,
    pub(super) dates: Vec<Label>,
    pub(super) width: i64,
    pub(super) height: i64,
    pub(super) ground: i64,
    /// What the highest stack counts, as it is written.
    pub(super) most: String,
    /// Where a bar leads to.
    pub(super) leads: &'static str,
}

/// One bar.
pub(super) struct Bar {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) width: i64,
    pub(super) height: i64,
    pub(super) tone: &'static str,
    pub(super) label: String,
    pub(super) link: String,
}

/// A date below.
pub(super) struct Label {
    pub(super) x: i64,
    pub(super) text: String,
}

impl Series {
    pub(super) fn new(name: &str, tone: &'static str) -> Self {
        Self { name: name.to_owned(), tone }
    }
}

impl Plot {
    /// Stacks in their order: a name, and count and link of each series. Counts are shown as
    /// `show` writes them.
    pub(super) fn stacked(
        title: String,
        legend: Vec<Series>,
        show: &dyn Fn(i64) -> String,
        stacks: Vec<(String, Vec<(i64, String)>)>,
    ) -> Self {
        let sum = |parts: &[(i64, String)]| parts.iter().map(|(count, _)| *count).sum::<i64>();
        let most = stacks.iter().map(|(_, parts)| sum(parts)).max().unwrap_or(0).max(1);
        let count = i64::try_from(stacks.len()).unwrap_or(i64::MAX).max(1);
        let step = (WIDTH / count).max(2);
        let every = (count.saturating_add(7) / 8).max(1);
        let (mut bars, mut dates) = (Vec::new(), Vec::new());
        for (n, (name, parts)) in (0_i64..).zip(stacks) {
            let x = n.saturating_mul(step);
            if n.rem_euclid(every) == 0 {
                dates.push(Label { x, text: name.clone() });
            }
            let mut y = HEIGHT;
            for (series, (count, link)) in legend.iter().zip(parts).filter(|(_, part)| part.0 > 0) {
                let height = (count.saturating_mul(HEIGHT) / most).max(2);
                y = y.saturating_sub(height).max(0);
                let label = format!("{name}: {} {}", show(count), series.name);
                let width = step.saturating_sub(step / 5).max(1);
                bars.push(Bar { x, y, width, height, tone: series.tone, label, link });
            }
        }
        Self {
            title,
            legend,
            bars,
            dates,
            width: step.saturating_mul(count).max(WIDTH),
            height: HEIGHT + BELOW,
            ground: HEIGHT,
            most: show(most),
            leads: "its actions",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn the_highest_stack_fills_the_plot_and_nothing_leaves_it() {
        let series = vec![Series::new("a", "good"), Series::new("b", "bad")];
        let stack =
            |name: &str, a, b| (name.to_owned(), vec![(a, "/a".to_owned()), (b, "/b".to_owned())]);
        let plot = Plot::stacked(
            "t".to_owned(),
            series,
            &|count| format!("{count} x"),
            vec![stack("1", 30, 10), stack("2", 0, 1), stack("3", 0, 0)],
        );
        assert_eq!((plot.most.as_str(), plot.bars.len(), plot.dates.len()), ("40 x", 3, 3));
        let (first, second) = (&plot.bars[0], &plot.bars[1]);
        assert_eq!((first.height, first.y), (135, 45));
        assert_eq!((second.height, second.y), (45, 0));
        assert!(
            plot.bars.iter().all(|bar| bar.y >= 0 && bar.x + bar.width <= WIDTH && bar.height >= 2)
        );
        assert_eq!(first.label, "1: 30 x a");
    }

    #[test]
    fn many_days_make_it_wider() {
        let series = vec![Series::new("a", "good")];
        let stacks = (0..732).map(|n| (n.to_string(), vec![(1, "/a".to_owned())]));
        let plot = Plot::stacked("t".to_owned(), series, &|n| n.to_string(), stacks.collect());
        assert!(plot.bars.iter().all(|bar| bar.x + bar.width <= plot.width));
    }
}
