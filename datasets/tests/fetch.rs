//! Downloads from a server in the test: whole, cut, wrong, endless.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use veilbench_datasets::{Error, RemoteFile, Size, download_all};

const FILE_BYTES: usize = 300_000;

fn content() -> Vec<u8> {
    (0..FILE_BYTES as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// SHA-256 of [`content`], by `sha256sum`.
const SHA256: &str = "136f334d647619879743ff33fde1ac6547f40e314692441f2a125e087cad47c9";

/// A request as the server saw it: path and value of `Range`.
type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Serves until the test ends; `answer` gets the path and the first byte asked for.
fn serve(answer: impl Fn(&mut TcpStream, &str, Option<usize>) + Send + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let log = seen.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                request.push(byte[0]);
            }
            let request = String::from_utf8(request).unwrap();
            let path = request.split(' ').nth(1).unwrap_or_default().to_string();
            let range = request.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("range").then(|| value.to_string())
            });
            let first = range
                .as_ref()
                .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            log.lock().unwrap().push((path.clone(), range));
            answer(&mut stream, &path, first);
        }
    });
    (address, seen)
}

/// The client may hang up first: that is what some of these tests are about.
fn send(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes());
    let _ = stream.write_all(body);
}

/// The whole file, or the rest of it.
fn well_behaved(stream: &mut TcpStream, _: &str, first: Option<usize>) {
    let all = content();
    match first {
        None => send(stream, &format!("200 OK\r\ncontent-length: {}", all.len()), &all),
        Some(first) => send(
            stream,
            &format!(
                "206 Partial Content\r\ncontent-range: bytes {first}-{}/{}\r\ncontent-length: {}",
                all.len() - 1,
                all.len(),
                all.len() - first
            ),
            &all[first..],
        ),
    }
}

fn file(urls: &[&str]) -> RemoteFile {
    RemoteFile {
        name: "a/file.bin".into(),
        urls: urls.iter().map(|url| format!("{url}/file.bin")).collect(),
        sha256: SHA256.into(),
        size: Size::Exactly(FILE_BYTES as u64),
    }
}

fn get(file: &RemoteFile, folder: &Path) -> Result<u64, Error> {
    let mut received = 0;
    download_all(std::slice::from_ref(file), folder, &mut |progress| received = progress.received_bytes)?;
    Ok(received)
}

/// Nothing but the finished file is left.
fn assert_whole(folder: &Path) {
    assert!(fs::read(folder.join("a/file.bin")).unwrap() == content());
    assert_eq!(fs::read_dir(folder.join("a")).unwrap().count(), 1);
}

#[test]
fn a_file_arrives_whole_and_is_not_fetched_twice() {
    let (server, seen) = serve(well_behaved);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(get(&file(&[&server]), folder.path()).unwrap(), FILE_BYTES as u64);
    assert_whole(folder.path());
    assert_eq!(get(&file(&[&server]), folder.path()).unwrap(), 0);
    assert_eq!(*seen.lock().unwrap(), [("/file.bin".to_string(), None)]);
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let (server, seen) = serve(|stream, path, first| match first {
        None => send(stream, &format!("200 OK\r\ncontent-length: {FILE_BYTES}"), &content()[..100_000]),
        Some(_) => well_behaved(stream, path, first),
    });
    let folder = tempfile::tempdir().unwrap();
    let error = get(&file(&[&server]), folder.path()).unwrap_err().to_string();
    assert!(error.contains("100000"), "{error}");
    assert_eq!(fs::metadata(folder.path().join("a/file.bin.part")).unwrap().len(), 100_000);
    get(&file(&[&server]), folder.path()).unwrap();
    assert_whole(folder.path());
    assert_eq!(seen.lock().unwrap()[1].1.as_deref(), Some("bytes=100000-"));
}

#[test]
fn a_mirror_that_ends_early_without_saying_so_is_continued_by_the_next() {
    let (short, _) = serve(|stream, _, _| send(stream, "200 OK", &content()[..1000]));
    let (server, seen) = serve(well_behaved);
    let folder = tempfile::tempdir().unwrap();
    get(&file(&[&short, &server]), folder.path()).unwrap();
    assert_whole(folder.path());
    assert_eq!(seen.lock().unwrap()[0].1.as_deref(), Some("bytes=1000-"));
}

#[test]
fn a_server_that_ignores_the_range_sends_all_again() {
    let (server, seen) = serve(|stream, path, _| well_behaved(stream, path, None));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("a/file.bin.part"), &content()[..5000]).unwrap();
    get(&file(&[&server]), folder.path()).unwrap();
    assert_whole(folder.path());
    assert_eq!(seen.lock().unwrap()[0].1.as_deref(), Some("bytes=5000-"));
}

#[test]
fn a_range_from_elsewhere_is_not_taken_for_the_rest() {
    let (server, _) = serve(|stream, _, _| {
        send(
            stream,
            "206 Partial Content\r\ncontent-range: bytes 0-99/300000\r\ncontent-length: 100",
            &[0; 100],
        );
    });
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("a/file.bin.part"), &content()[..5000]).unwrap();
    assert!(get(&file(&[&server]), folder.path()).unwrap_err().to_string().contains("206"));
}

#[test]
fn a_wrong_checksum_leaves_nothing_behind() {
    let (server, _) = serve(|stream, _, _| {
        let mut wrong = content();
        wrong[7] ^= 1;
        send(stream, &format!("200 OK\r\ncontent-length: {FILE_BYTES}"), &wrong);
    });
    let folder = tempfile::tempdir().unwrap();
    let error = get(&file(&[&server]), folder.path()).unwrap_err().to_string();
    assert!(error.contains("SHA-256") && error.contains(SHA256), "{error}");
    assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 0);
}

#[test]
fn the_second_mirror_is_tried_when_the_first_has_no_such_file() {
    let (empty, _) = serve(|stream, _, _| send(stream, "404 Not Found\r\ncontent-length: 0", b""));
    let (server, _) = serve(well_behaved);
    let folder = tempfile::tempdir().unwrap();
    get(&file(&[&empty, &server]), folder.path()).unwrap();
    assert_whole(folder.path());
    let error = get(&file(&[&empty]), &folder.path().join("other")).unwrap_err().to_string();
    assert!(error.contains("404") && error.contains(&empty), "{error}");
}

#[test]
fn an_endless_body_is_stopped_at_the_size_of_the_file() {
    let (server, _) = serve(|stream, _, _| {
        send(stream, "200 OK", b"");
        while stream.write_all(&[0; 4096]).is_ok() {}
    });
    let folder = tempfile::tempdir().unwrap();
    let error = get(&file(&[&server]), folder.path()).unwrap_err().to_string();
    assert!(error.contains("more than the 300000 bytes"), "{error}");
    assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 0);
}

#[test]
fn nobody_listening_names_every_address() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let addresses = [format!("http://{closed}/x"), format!("http://{closed}/y")];
    let folder = tempfile::tempdir().unwrap();
    let error = get(&file(&[&addresses[0], &addresses[1]]), folder.path()).unwrap_err();
    let Error::Download { attempts, .. } = error else { panic!("{error}") };
    assert_eq!(attempts.len(), 2);
    for (attempt, address) in attempts.iter().zip(&addresses) {
        assert!(attempt.starts_with(address), "{attempt}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("occupied");
    fs::write(&occupied, "a file").unwrap();
    let error = get(&file(&["http://127.0.0.1:9"]), &occupied).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.starts_with(&occupied)), "{error}");
}

#[test]
fn a_server_without_tls_is_refused_under_https() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || send(&mut listener.accept().unwrap().0, "400 Bad Request", b"plain"));
    let folder = tempfile::tempdir().unwrap();
    let error = get(&file(&[&server]), folder.path()).unwrap_err();
    assert!(matches!(error, Error::Download { .. }), "{error}");
}

#[test]
fn a_part_longer_than_the_file_is_dropped_when_the_server_has_no_such_range() {
    let (server, seen) = serve(|stream, path, first| match first {
        Some(first) if first >= FILE_BYTES => {
            send(stream, "416 Range Not Satisfiable\r\ncontent-length: 0", b"");
        }
        _ => well_behaved(stream, path, first),
    });
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("a/file.bin.part"), vec![0; FILE_BYTES + 1]).unwrap();
    let unsure = RemoteFile { size: Size::AtMost(2 * FILE_BYTES as u64), ..file(&[&server]) };
    get(&unsure, folder.path()).unwrap();
    assert_whole(folder.path());
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[test]
fn a_finished_part_needs_no_server() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    for size in [Size::AtMost(2 * FILE_BYTES as u64), Size::Exactly(FILE_BYTES as u64)] {
        fs::write(folder.path().join("a/file.bin.part"), content()).unwrap();
        get(&RemoteFile { size, ..file(&["http://127.0.0.1:9"]) }, folder.path()).unwrap();
        assert_whole(folder.path());
        fs::remove_file(folder.path().join("a/file.bin")).unwrap();
    }
}
