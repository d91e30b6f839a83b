//! A set of small numbers that gives the first one from any point on without a walk over the others: a bit a
//! number, and a bit for each word of them that is not empty.

const BITS: usize = 64;

/// The set.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    words: Vec<u64>,
    filled: Vec<u64>,
}

impl Numbers {
    /// An empty set of numbers below `end`.
    pub fn below(end: usize) -> Self {
        let words = end.div_ceil(BITS);
        Self { words: vec![0; words], filled: vec![0; words.div_ceil(BITS)] }
    }

    pub fn insert(&mut self, number: usize) {
        let word = number / BITS;
        self.words[word] |= 1 << (number % BITS);
        self.filled[word / BITS] |= 1 << (word % BITS);
    }

    pub fn remove(&mut self, number: usize) {
        let word = number / BITS;
        self.words[word] &= !(1 << (number % BITS));
        if self.words[word] == 0 {
            self.filled[word / BITS] &= !(1 << (word % BITS));
        }
    }

    /// The first one that is not below `from`.
    pub fn first_from(&self, from: usize) -> Option<usize> {
        let word = from / BITS;
        let rest = self.words.get(word)? & (u64::MAX << (from % BITS));
        if rest != 0 {
            return Some(word * BITS + lowest(rest));
        }
        let mut group = (word + 1) / BITS;
        let mut rest = self.filled.get(group)? & (u64::MAX << ((word + 1) % BITS));
        while rest == 0 {
            group += 1;
            rest = *self.filled.get(group)?;
        }
        let word = group * BITS + lowest(rest);
        Some(word * BITS + lowest(self.words[word]))
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.first_from(0), |before| self.first_from(before + 1))
    }
}

const fn lowest(word: u64) -> usize {
    word.trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(
            end in 1usize..9_000,
            steps in prop::collection::vec((any::<bool>(), 0usize..9_000), 0..60),
        ) {
            let (mut numbers, mut set) = (Numbers::below(end), BTreeSet::new());
            for (is_new, number) in steps {
                let number = number % end;
                if is_new {
                    numbers.insert(number);
                    set.insert(number);
                } else {
                    numbers.remove(number);
                    set.remove(&number);
                }
            }
            prop_assert_eq!(numbers.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(numbers.first_from(end), None);
        }
    }
}
