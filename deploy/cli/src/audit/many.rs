//! The same for each of many, on every core.

use std::num::NonZeroUsize;
use std::thread;

/// What each leads to, in their order.
pub(super) fn each<T: Sync, R: Send>(all: &[T], one: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = all.len().div_ceil(cores).max(1);
    let part = |part: &[T]| part.iter().map(&one).collect::<Vec<_>>();
    thread::scope(|scope| {
        let parts: Vec<_> = all.chunks(share).map(|some| scope.spawn(|| part(some))).collect();
        // What fails in a part fails the whole.
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|why| std::panic::resume_unwind(why)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_once_in_order() {
        for n in [0, 1, 2, 3, 1000] {
            let all: Vec<usize> = (0..n).collect();
            assert_eq!(each(&all, |i| i + 1), (1..=n).collect::<Vec<_>>());
        }
    }
}
