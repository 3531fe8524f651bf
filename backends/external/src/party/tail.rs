//! The end of what a process prints, kept while it runs so that its pipes never fill.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Bytes that are kept.
const KEPT: usize = 4096;

/// How long the rest of the output is waited for when the process has ended: something it started may hold the pipe.
const PATIENCE: Duration = Duration::from_millis(200);

/// Reads a stream to its end on a thread of its own.
pub(crate) struct Tail {
    kept: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Tail {
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        Self::keeping(stream, KEPT)
    }

    /// Keeps this many bytes.
    pub(crate) fn keeping(mut stream: impl Read + Send + 'static, most: usize) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&kept);
        let reader = thread::spawn(move || {
            let mut chunk = [0; KEPT];
            while let Ok(read @ 1..) = stream.read(&mut chunk) {
                let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&chunk[..read]);
                let excess = kept.len().saturating_sub(most);
                kept.drain(..excess);
            }
        });
        Self { kept, reader }
    }

    /// Returns the text so far, of a process that has ended; of a line that was printed over itself, what stood there last.
    pub(crate) fn text(&self) -> String {
        let until = Instant::now() + PATIENCE;
        while !self.reader.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        let lines: Vec<&str> = text.trim().lines().map(last_of).collect();
        lines.join("\n")
    }
}

/// What follows the last carriage return of a line, of those that something follows.
fn last_of(line: &str) -> &str {
    line.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_line_that_was_printed_over_itself_the_last_is_kept() {
        let printed = "first\r\n 1 %\r 50 %\rdone\r\n\rerror: no space\r\r\nlast\r";
        let tail = Tail::of(printed.as_bytes());
        assert_eq!(tail.text(), "first\ndone\nerror: no space\nlast");
    }
}
