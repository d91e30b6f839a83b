//! A line that can be bad: a TCP proxy with the classic faults, for tests between workers and cloud and
//! between cloud and database.
//!
//! Latency, bandwidth, small pieces, resets after some bytes, silence in one direction, a cut. What changes
//! by chance is drawn from a seed, connection by connection, so that a bad day comes again. It does not know
//! what it carries. Threads and blocking sockets: a test's farm has tens of connections, not thousands.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::farm::pause;

/// How often a pump looks whether the weather has changed.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes carried at a time in good weather.
const PIECE: usize = 16 * 1024;

/// What a line does to what it carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// Each piece comes later by up to this many milliseconds.
    pub latency_ms: u64,
    /// No more than so many bytes a second in each direction; nothing: as fast as it goes.
    pub bytes_per_second: Option<u64>,
    /// Pieces of at most so many bytes.
    pub slice: Option<usize>,
    /// A connection is reset after a number of bytes drawn up to twice this, both directions together.
    pub reset_after: Option<u64>,
    /// What gets through.
    pub silence: Silence,
}

/// The directions in which nothing gets through. Bytes are held, not lost: when the silence ends they come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Silence {
    /// None.
    #[default]
    None,
    /// From who connected to the server.
    ToServer,
    /// From the server to who connected.
    ToClient,
    /// Either.
    Both,
}

/// A line to one server. It ends with the process.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    weather: Mutex<Weather>,
    is_cut: AtomicBool,
    living: Mutex<Vec<Weak<Connection>>>,
    seed: u64,
    connections: AtomicU64,
}

/// Both ends of a connection; closed when its two pumps have let go of it.
struct Connection {
    near: TcpStream,
    far: TcpStream,
    /// It is to end with a reset instead of a goodbye.
    is_reset: AtomicBool,
    /// Bytes until then, both directions together.
    left: AtomicU64,
}

impl Proxy {
    /// A good line to `host:port`.
    pub fn to(target: &str) -> Result<Self> {
        Self::seeded(target, 0)
    }

    /// A line to `host:port` whose chances come from this seed.
    pub fn seeded(target: &str, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no loopback port is free")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            weather: Mutex::default(),
            is_cut: AtomicBool::new(false),
            living: Mutex::default(),
            seed,
            connections: AtomicU64::new(0),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let connecting = Arc::clone(&of_thread);
                // A server that does not answer must not hold up the others.
                std::thread::spawn(move || connecting.connect(near));
            }
        });
        Ok(Self { port, shared })
    }

    /// Where to connect instead of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The same for a configuration file.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The weather from now on, for living connections too (but for the bytes after which they are reset).
    pub fn set(&self, weather: Weather) {
        *lock(&self.shared.weather) = weather;
    }

    /// Ends every connection and lets none through.
    pub fn cut(&self) {
        self.shared.is_cut.store(true, Ordering::SeqCst);
        for connection in lock(&self.shared.living).drain(..).filter_map(|weak| weak.upgrade()) {
            connection.close();
        }
    }

    /// Resets every connection; new ones get through.
    pub fn reset(&self) {
        for connection in lock(&self.shared.living).drain(..).filter_map(|weak| weak.upgrade()) {
            connection.is_reset.store(true, Ordering::SeqCst);
        }
    }

    /// Lets connections through again, in good weather.
    pub fn mend(&self) {
        self.set(Weather::default());
        self.shared.is_cut.store(false, Ordering::SeqCst);
    }

    /// Connections that there were.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn connect(self: Arc<Self>, near: TcpStream) {
        if self.is_cut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(far) = TcpStream::connect(&self.target) else { return };
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let mut rng = fastrand::Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let left =
            lock(&self.weather).reset_after.map_or(u64::MAX, |mean| rng.u64(1..=mean.saturating_mul(2)));
        let (is_reset, left) = (AtomicBool::new(false), AtomicU64::new(left));
        let connection = Arc::new(Connection { near, far, is_reset, left });
        {
            let mut living = lock(&self.living);
            living.retain(|other| other.strong_count() > 0);
            living.push(Arc::downgrade(&connection));
        }
        if self.is_cut.load(Ordering::SeqCst) {
            return;
        }
        let up = Pump {
            line: Arc::clone(&self),
            connection: Arc::clone(&connection),
            is_up: true,
            rng: rng.fork(),
        };
        std::thread::spawn(move || up.carry());
        Pump { line: self, connection, is_up: false, rng }.carry();
    }
}

impl Connection {
    fn close(&self) {
        // Either may be gone already.
        let _ = self.near.shutdown(Shutdown::Both);
        let _ = self.far.shutdown(Shutdown::Both);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_reset.load(Ordering::SeqCst) {
            for end in [&self.near, &self.far] {
                let _ = socket2::SockRef::from(end).set_linger(Some(Duration::ZERO)); // it may be gone
            }
        }
    }
}

/// One direction of one connection.
struct Pump {
    line: Arc<Shared>,
    connection: Arc<Connection>,
    is_up: bool,
    rng: fastrand::Rng,
}

impl Pump {
    fn carry(mut self) {
        let connection = Arc::clone(&self.connection);
        let (mut from, mut to) = (&connection.near, &connection.far);
        if !self.is_up {
            std::mem::swap(&mut from, &mut to);
        }
        let mut buffer = [0; PIECE];
        let _ = from.set_read_timeout(Some(LOOK)); // without it a reset waits for the next bytes
        while !connection.is_reset.load(Ordering::SeqCst) {
            let most = self.in_what_weather().slice.unwrap_or(PIECE).clamp(1, PIECE);
            let count = match from.read(&mut buffer[..most]) {
                Ok(0) => return connection.close(),
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(_) => return connection.close(),
            };
            // What was read when the line fell silent is held with the rest.
            let weather = self.in_what_weather();
            pause(Duration::from_millis(self.rng.u64(0..=weather.latency_ms)));
            if to.write_all(&buffer[..count]).is_err() {
                return connection.close();
            }
            if let Some(rate) = weather.bytes_per_second {
                pause(Duration::from_micros(count as u64 * 1_000_000 / rate.max(1)));
            }
            let less = |left: u64| Some(left.saturating_sub(count as u64));
            let left = connection.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
            if left.is_ok_and(|left| left <= count as u64) {
                connection.is_reset.store(true, Ordering::SeqCst);
            }
        }
    }

    /// The weather, once something may get through.
    fn in_what_weather(&self) -> Weather {
        loop {
            let weather = *lock(&self.line.weather);
            let is_silent = match weather.silence {
                Silence::None => false,
                Silence::ToServer => self.is_up,
                Silence::ToClient => !self.is_up,
                Silence::Both => true,
            };
            let is_over =
                self.connection.is_reset.load(Ordering::SeqCst) || self.line.is_cut.load(Ordering::SeqCst);
            if !is_silent || is_over {
                return weather;
            }
            pause(LOOK);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A server that sends back what it gets; it counts what came in.
    fn echo() -> (String, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, got) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&got);
        std::thread::spawn(move || {
            for mut end in listener.incoming().map_while(Result::ok) {
                let count = Arc::clone(&count);
                std::thread::spawn(move || {
                    let mut buffer = [0; 4_096];
                    while let Ok(some @ 1..) = end.read(&mut buffer) {
                        count.fetch_add(some as u64, Ordering::SeqCst);
                        if end.write_all(&buffer[..some]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        (address, got)
    }

    fn client(proxy: &Proxy) -> TcpStream {
        let end = TcpStream::connect(proxy.address()).unwrap();
        end.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        end
    }

    fn there_and_back(end: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Duration> {
        let begun = crate::shell::started_now();
        end.write_all(bytes)?;
        end.read_exact(&mut vec![0; bytes.len()])?;
        Ok(Instant::elapsed(&begun))
    }

    #[test]
    fn a_good_line_carries_and_a_cut_one_does_not_until_it_is_mended() {
        let (server, _) = echo();
        let proxy = Proxy::to(&server).unwrap();
        let mut end = client(&proxy);
        there_and_back(&mut end, &[1; 100_000]).unwrap();
        proxy.cut();
        assert!(there_and_back(&mut end, b"x").is_err());
        assert!(there_and_back(&mut client(&proxy), b"x").is_err());
        proxy.mend();
        there_and_back(&mut client(&proxy), b"x").unwrap();
        assert_eq!(proxy.connections(), 2, "none got through while it was cut");
    }

    #[test]
    fn a_slow_line_is_slow_and_a_sliced_one_whole() {
        let (server, _) = echo();
        let proxy = Proxy::to(&server).unwrap();
        proxy.set(Weather { bytes_per_second: Some(50_000), slice: Some(7), ..Weather::default() });
        let taken = there_and_back(&mut client(&proxy), &[3; 10_000]).unwrap();
        assert!(taken >= Duration::from_millis(200), "10 kB at 50 kB/s took {taken:?}");
    }

    #[test]
    fn silence_holds_one_direction_and_loses_nothing() {
        let (server, got) = echo();
        let proxy = Proxy::to(&server).unwrap();
        let mut end = client(&proxy);
        there_and_back(&mut end, b"x").unwrap();
        proxy.set(Weather { silence: Silence::ToClient, ..Weather::default() });
        end.write_all(b"hello").unwrap();
        let begun = crate::shell::started_now();
        while got.load(Ordering::SeqCst) < 6 {
            assert!(begun.elapsed() < Duration::from_secs(10), "the server hears");
            pause(LOOK);
        }
        end.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert!(end.read(&mut [0; 5]).is_err(), "the client does not");
        proxy.mend();
        end.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut back = [0; 5];
        end.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
    }

    #[test]
    fn connections_are_reset_after_the_same_bytes_with_the_same_seed() {
        let (server, _) = echo();
        let carried = |seed| {
            let proxy = Proxy::seeded(&server, seed).unwrap();
            proxy.set(Weather { reset_after: Some(2_000), slice: Some(1), ..Weather::default() });
            let mut end = client(&proxy);
            (0..6_000).take_while(|_| there_and_back(&mut end, b"x").is_ok()).count()
        };
        let first = carried(7);
        assert!(first < 2_000, "a byte there and a byte back, 4,000 at most: {first}");
        assert_eq!(first, carried(7));
        assert_ne!(first, carried(8));
    }
}
