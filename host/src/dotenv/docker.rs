//! `docker run --env-file`, as the docker CLI's `kvfile` package reads it: a line is a name, `=` and
//! the value as it stands; nothing is quoted, escaped or replaced.

use super::{
    problem::Refusal,
    reading::{How, Reading, Scan, Stop, What},
};
use crate::format::DOCKER_LINE_BYTES;

pub(super) fn read(text: &str, reading: &mut Reading) -> Result<(), Stop> {
    let mut scan = Scan::new(text);
    while !scan.is_done() {
        let line = scan.line();
        let stop = |why| Err(Stop { line, why });
        let mut content = scan.skip(|c| c != '\n');
        scan.take("\n");
        if content.len() >= DOCKER_LINE_BYTES {
            return stop(Refusal::LongLine);
        }
        if line == 1 {
            content = content.strip_prefix('\u{feff}').unwrap_or(content);
        }
        // One carriage return belongs to the line's end; what else is at the end is the value's.
        let content = content.strip_suffix('\r').unwrap_or(content).trim_start();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let (name, value) = match content.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (content, None),
        };
        if name.is_empty() {
            return stop(Refusal::NoName);
        }
        if name.contains([' ', '\t']) {
            return stop(Refusal::BlankInName);
        }
        match value {
            Some(value) => reading.value(line, name, value.to_owned(), How::default())?,
            None => reading.push(line, What::Inherited)?,
        }
    }
    Ok(())
}
