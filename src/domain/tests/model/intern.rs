//! Contents by small numbers: a state holds the numbers, each content is kept once.

use std::{collections::HashMap, hash::Hash, rc::Rc};

/// The number of a content.
pub type Id = u32;

/// Contents of one kind, by what tells them apart.
pub struct Interned<T> {
    ids: HashMap<String, Id>,
    contents: Vec<Rc<T>>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { ids: HashMap::new(), contents: Vec::new() }
    }
}

impl<T: serde::Serialize> Interned<T> {
    /// The number of this content, which is new or known.
    pub fn id(&mut self, content: T) -> Id {
        let text = serde_json::to_string(&content).unwrap();
        let contents = &mut self.contents;
        *self.ids.entry(text).or_insert_with(|| {
            contents.push(Rc::new(content));
            Id::try_from(contents.len() - 1).unwrap()
        })
    }

    /// The content with this number.
    pub fn get(&self, id: Id) -> Rc<T> {
        self.contents[id as usize].clone()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.contents.len()
    }
}

/// A pure function that is computed once for each argument.
pub struct Memo<K, V> {
    known: HashMap<K, V>,
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self { known: HashMap::new() }
    }
}

impl<K: Hash + Eq, V: Copy> Memo<K, V> {
    /// What is known for this argument.
    pub fn get(&self, key: &K) -> Option<V> {
        self.known.get(key).copied()
    }

    /// Remembers it.
    pub fn put(&mut self, key: K, value: V) -> V {
        self.known.insert(key, value);
        value
    }

    /// How many arguments there were.
    pub fn len(&self) -> usize {
        self.known.len()
    }
}
