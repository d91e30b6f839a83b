//! What several replicas stand behind: a balancer that sends connections to those that are ready.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often the balancer looks who is ready.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A TCP balancer that sends each connection to a replica whose `/readyz` says yes: to the next one in turn,
/// or always to the first.
pub struct Balancer {
    port: u16,
    ended: Arc<AtomicBool>,
}

struct Backends {
    all: Vec<String>,
    ready: Mutex<Vec<String>>,
    turn: AtomicUsize,
    takes_turns: bool,
}

impl Balancer {
    pub fn in_turn(backends: &[&str]) -> Self {
        Self::over(backends, true)
    }

    pub fn preferring(backends: &[&str]) -> Self {
        Self::over(backends, false)
    }

    fn over(backends: &[&str], takes_turns: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let all: Vec<String> = backends.iter().map(|backend| (*backend).to_owned()).collect();
        let ready = Mutex::new(all.clone());
        let backends = Arc::new(Backends { all, ready, turn: AtomicUsize::new(0), takes_turns });
        let ended = Arc::new(AtomicBool::new(false));
        let (looking, looking_ended) = (Arc::clone(&backends), Arc::clone(&ended));
        std::thread::spawn(move || {
            while !looking_ended.load(Ordering::SeqCst) {
                looking.look();
                std::thread::park_timeout(LOOK_EVERY);
            }
        });
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Some(far) = backends.connect() else { continue };
                carry(near.try_clone().unwrap(), far.try_clone().unwrap());
                carry(far, near);
            }
        });
        Self { port, ended }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

impl Backends {
    fn look(&self) {
        let ready: Vec<String> = self.all.iter().filter(|one| is_ready(one)).cloned().collect();
        *self.ready.lock().unwrap() = ready;
    }

    fn connect(&self) -> Option<TcpStream> {
        let ready = self.ready.lock().unwrap().clone();
        let turn = if self.takes_turns { self.turn.fetch_add(1, Ordering::SeqCst) } else { 0 };
        (0..ready.len()).find_map(|next| TcpStream::connect(&ready[(turn + next) % ready.len()]).ok())
    }
}

fn is_ready(backend: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(backend)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nhost: {backend}\r\nconnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
