//! The cache of files that a worker has served: descriptors and small contents, bounded, fresh for a second each.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::files::{Coding, Codings, ETag, FileStamp};
use crate::http::{Date, imf_fixdate};

/// Milliseconds for which a file is served without checking it again.
const FRESH: u64 = 1_000;
/// Entries of one half of the cache; it evicts a whole half.
const MOST_ENTRIES: usize = 512;
const MOST_DESCRIPTORS: usize = 64;
/// In bytes.
const MOST_CONTENT: usize = 8 * 1024 * 1024;

/// What is cached for a path.
#[derive(Debug)]
pub enum CacheEntry {
    File(Arc<Cached>),
    /// A directory whose path lacks the final slash.
    Redirect,
    Denied,
    Missing,
}

/// Name and value.
pub type CachedField = (Box<[u8]>, Box<[u8]>);

/// A file with its sidecars, ready to be sent.
#[derive(Debug)]
pub struct Cached {
    /// The file itself first.
    pub variants: Vec<Variant>,
    /// Codings of the variants, except the first.
    pub codings: Codings,
    /// The same for each response with this file.
    pub fields: Vec<CachedField>,
    pub content_type: Box<[u8]>,
    /// Of the manifest, if there is one.
    pub manifest: Option<FileStamp>,
}

/// A file in one coding.
#[derive(Debug)]
pub struct Variant {
    pub coding: Coding,
    pub stamp: FileStamp,
    pub tag: ETag,
    pub last_modified: LastModified,
    /// In decimal.
    pub length: Box<[u8]>,
    pub source: CachedSource,
}

/// When a file was changed.
#[derive(Debug, Clone, Copy)]
pub struct LastModified {
    /// Since 1970.
    seconds: u64,
    text: [u8; 29],
}

impl LastModified {
    pub fn of(stamp: &FileStamp) -> LastModified {
        let seconds = stamp.seconds();
        LastModified {
            seconds,
            text: imf_fixdate(seconds),
        }
    }

    /// In a response of that date, which is never the earlier one (RFC 9110 §8.8.2.1). Conditions are compared with the
    /// file's own time: before that has come, no copy of a client's counts as unchanged by its date.
    pub fn value<'v>(&'v self, date: &'v Date) -> &'v [u8] {
        if self.seconds > date.seconds() {
            date.value()
        } else {
            &self.text
        }
    }
}

/// Where its bytes are.
#[derive(Debug, Clone)]
pub enum CachedSource {
    Memory(Bytes),
    File(Arc<File>),
}

impl CacheEntry {
    fn descriptors(&self) -> usize {
        let CacheEntry::File(file) = self else {
            return 0;
        };
        let open = |variant: &&Variant| matches!(variant.source, CachedSource::File(_));
        file.variants.iter().filter(open).count()
    }

    fn content(&self) -> usize {
        let CacheEntry::File(file) = self else {
            return 0;
        };
        let length = |variant: &Variant| match &variant.source {
            CachedSource::Memory(bytes) => bytes.len(),
            CachedSource::File(_) => 0,
        };
        file.variants.iter().map(length).sum()
    }
}

#[derive(Debug)]
struct Known {
    entry: Arc<CacheEntry>,
    /// When the file system was checked, in monotonic milliseconds.
    since: AtomicU64,
}

/// By the path as received. Entries that are used move to the young half; when that is full, the old half is dropped.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    young: Half,
    old: Half,
}

#[derive(Debug, Default)]
struct Half {
    entries: HashMap<Box<[u8]>, Known>,
    descriptors: usize,
    content: usize,
}

impl Half {
    fn is_full(&self) -> bool {
        self.entries.len() >= MOST_ENTRIES
            || self.descriptors >= MOST_DESCRIPTORS
            || self.content >= MOST_CONTENT
    }

    fn insert(&mut self, key: Box<[u8]>, known: Known) {
        self.descriptors += known.entry.descriptors();
        self.content += known.entry.content();
        if let Some(before) = self.entries.insert(key, known) {
            self.descriptors -= before.entry.descriptors();
            self.content -= before.entry.content();
        }
    }

    fn remove(&mut self, key: &[u8]) -> Option<(Box<[u8]>, Known)> {
        let (key, known) = self.entries.remove_entry(key)?;
        self.descriptors -= known.entry.descriptors();
        self.content -= known.entry.content();
        Some((key, known))
    }
}

impl Cache {
    /// The entry, if it is fresh at `now`.
    pub fn get(&self, key: &[u8], now: u64) -> Option<Arc<CacheEntry>> {
        let is_fresh = |known: &Known| now.saturating_sub(known.since.load(Relaxed)) < FRESH;
        let mut halves = self.0.lock();
        if let Some(known) = halves.young.entries.get(key) {
            return is_fresh(known).then(|| known.entry.clone());
        }
        let (key, known) = halves.old.remove(key)?;
        let entry = is_fresh(&known).then(|| known.entry.clone());
        halves.keep(key, known);
        entry
    }

    /// The entry, fresh or not.
    pub fn last(&self, key: &[u8]) -> Option<Arc<CacheEntry>> {
        let halves = self.0.lock();
        let known = halves
            .young
            .entries
            .get(key)
            .or_else(|| halves.old.entries.get(key))?;
        Some(known.entry.clone())
    }

    /// Stores the result of a check at `now`.
    pub fn put(&self, key: &[u8], entry: Arc<CacheEntry>, now: u64) {
        let mut halves = self.0.lock();
        if let Some(known) = halves.young.entries.get(key)
            && Arc::ptr_eq(&known.entry, &entry)
        {
            known.since.store(now, Relaxed);
            return;
        }
        let since = AtomicU64::new(now);
        halves.keep(key.into(), Known { entry, since });
    }

    /// Called when descriptors have run out.
    pub fn clear(&self) {
        let halves = std::mem::take(&mut *self.0.lock());
        // Closed without holding the lock.
        drop(halves);
    }
}

impl Halves {
    fn keep(&mut self, key: Box<[u8]>, known: Known) {
        if self.young.is_full() {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> Arc<CacheEntry> {
        Arc::new(CacheEntry::Missing)
    }

    #[test]
    fn an_entry_is_fresh_for_a_second() {
        let cache = Cache::default();
        assert!(cache.get(b"/a", 0).is_none());
        let entry = missing();
        cache.put(b"/a", entry.clone(), 10);
        assert!(cache.get(b"/a", 1009).is_some());
        assert!(cache.get(b"/a", 1010).is_none());
        assert!(cache.last(b"/a").is_some());
        cache.put(b"/a", entry, 1010);
        assert!(cache.get(b"/a", 2000).is_some());
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_bounded() {
        let cache = Cache::default();
        for number in 0..10 * MOST_ENTRIES {
            cache.put(format!("/{number}").as_bytes(), missing(), 0);
            cache.put(b"/used", missing(), 0);
            assert!(cache.get(b"/used", 0).is_some());
        }
        let halves = cache.0.lock();
        assert!(halves.young.entries.len() + halves.old.entries.len() <= 2 * MOST_ENTRIES);
    }

    #[test]
    fn no_file_was_changed_after_its_response() {
        for (modified, said) in [(9, 9), (10, 10), (11, 10), (-5, 0)] {
            let stamp = FileStamp {
                inode: 1,
                size: 0,
                modified: (modified, 0),
            };
            let date = Date::at(10);
            let value = LastModified::of(&stamp);
            assert_eq!(value.value(&date), imf_fixdate(said), "{modified}");
        }
    }

    #[test]
    fn contents_are_counted_once() {
        let cache = Cache::default();
        let file = |size: usize| {
            let stamp = FileStamp {
                inode: 1,
                size: size as u64,
                modified: (0, 0),
            };
            Arc::new(CacheEntry::File(Arc::new(Cached {
                variants: vec![Variant {
                    coding: Coding::Identity,
                    stamp,
                    tag: ETag::of(&stamp, Coding::Identity),
                    last_modified: LastModified::of(&stamp),
                    length: Box::default(),
                    source: CachedSource::Memory(vec![0; size].into()),
                }],
                codings: Codings::default(),
                fields: Vec::new(),
                content_type: Box::default(),
                manifest: None,
            })))
        };
        cache.put(b"/a", file(100), 0);
        cache.put(b"/a", file(50), 0);
        cache.put(b"/b", file(7), 0);
        assert_eq!(cache.0.lock().young.content, 57);
        cache.clear();
        assert_eq!(cache.0.lock().young.content, 0);
    }
}
