//! The worker's connections by place, found by the keys of connections and of their streams.

use std::sync::Arc;

use super::connection::Conn;
use super::key::ConnKey;

/// Places below this one stay empty, so that no token of a connection equals one of the reactor's own.
const FIRST: usize = 16;

pub struct ConnectionTable {
    places: Vec<Place>,
    free: Vec<usize>,
}

/// Room for one connection.
#[derive(Default)]
struct Place {
    conn: Option<Arc<Conn>>,
    /// How many connections have used it before.
    serial: u32,
}

impl ConnectionTable {
    pub fn new() -> Self {
        Self {
            places: (0..FIRST).map(|_| Place::default()).collect(),
            free: Vec::new(),
        }
    }

    /// Adds the connection that `create` returns for its key.
    pub fn add(&mut self, create: impl FnOnce(ConnKey) -> Arc<Conn>) -> Arc<Conn> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            self.places.len() - 1
        });
        let place = &mut self.places[index];
        place.serial = place.serial.wrapping_add(1);
        // A process cannot have more descriptors than fit in 32 bits.
        let conn = create(ConnKey::new(index as u32, place.serial));
        place.conn = Some(conn.clone());
        conn
    }

    /// The connection of that key, if its place was not freed.
    pub fn find(&self, key: ConnKey) -> Option<&Arc<Conn>> {
        let conn = self.places.get(key.place())?.conn.as_ref()?;
        (conn.key == key).then_some(conn)
    }

    /// As `find`, for a connection or a stream.
    pub fn find_any(&self, key: ConnKey) -> Option<Arc<Conn>> {
        let conn = self.find(key.connection())?;
        match key.stream() {
            None => Some(conn.clone()),
            Some(number) => conn.find_stream(number),
        }
    }

    pub fn each(&self) -> impl Iterator<Item = &Arc<Conn>> {
        self.places.iter().filter_map(|place| place.conn.as_ref())
    }

    /// Frees the place of that connection.
    pub fn remove(&mut self, key: ConnKey) {
        if let Some(place) = self.places.get_mut(key.place()) {
            place.conn = None;
            self.free.push(key.place());
        }
    }
}
