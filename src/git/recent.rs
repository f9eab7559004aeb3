//! A cheap memory of what was recently used.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Two generations: when the young one is full, the old one is dropped and the young grows old.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    generations: Mutex<Generations<K, V>>,
    /// What one generation may weigh; a single thing heavier than this is kept all the same.
    most: usize,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    weight: usize,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// A memory that holds twice `most` in weight.
    pub(super) fn new(most: usize) -> Self {
        Self { generations: Mutex::new(Generations { young: HashMap::new(), old: HashMap::new(), weight: 0 }), most }
    }

    /// What is remembered under `key`, which makes it young again.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, _)) = generations.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, weight)) = generations.old.remove_entry(key)?;
        self.insert(&mut generations, key, (value.clone(), weight));
        Some(value)
    }

    /// Remembers `value`, which weighs so much.
    pub(super) fn put(&self, key: K, value: V, weight: usize) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.old.remove(&key);
        self.insert(&mut generations, key, (value, weight));
    }

    fn insert(&self, generations: &mut Generations<K, V>, key: K, entry: (V, usize)) {
        if generations.weight >= self.most {
            generations.old = std::mem::take(&mut generations.young);
            generations.weight = 0;
        }
        generations.weight += entry.1;
        if let Some((_, before)) = generations.young.insert(key, entry) {
            generations.weight -= before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let recent = Recent::new(10);
        for i in 0..100 {
            recent.put(i, i, 1);
            assert_eq!(recent.get(&0), Some(0), "{i}");
        }
        assert_eq!(recent.get(&50), None);
        recent.put(7, 8, 1);
        recent.put(7, 9, 1);
        assert_eq!(recent.get(&7), Some(9));
        let held = recent.generations.lock().unwrap();
        assert!(held.young.len() <= 10 && held.old.len() <= 10);
    }
}
