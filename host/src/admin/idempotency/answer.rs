//! An answer as the ledger keeps it.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
};

use super::book::Kept;
use crate::fields::{Malformed, Reader, Writer};

const SAID: u8 = 0;
const ANSWER: u8 = 1;

impl Kept {
    /// `0 | text`, or `1 | status u16 | headers u16, each name and value | body`.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Said(said) => Writer::new().u8(SAID).raw(said.as_bytes()).finish(),
            Self::Answer(status, headers, body) => {
                let texts = headers.iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
                let texts: Vec<_> = texts.collect();
                let count = u16::try_from(texts.len()).unwrap_or_default();
                let head = Writer::new().u8(ANSWER).u16(status.as_u16()).u16(count);
                let each =
                    |out: Writer, (name, value): (&HeaderName, &str)| out.text(name.as_str()).text(value);
                texts.into_iter().fold(head, each).raw(body).finish()
            }
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes);
        match fields.u8().ok()? {
            SAID => Some(Self::Said(std::str::from_utf8(fields.rest()).ok()?.to_owned())),
            ANSWER => answer(fields).ok(),
            _ => None,
        }
    }
}

fn answer(mut fields: Reader<'_>) -> Result<Kept, Malformed> {
    let status = StatusCode::from_u16(fields.u16()?).map_err(|_| fields.malformed())?;
    let mut headers = HeaderMap::new();
    for _ in 0..fields.u16()? {
        let name = HeaderName::from_bytes(fields.text()?.as_bytes()).map_err(|_| fields.malformed())?;
        let value = HeaderValue::from_str(fields.text()?).map_err(|_| fields.malformed())?;
        headers.append(name, value);
    }
    Ok(Kept::Answer(status, headers, Bytes::copy_from_slice(fields.rest())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_back_as_it_was_given() {
        let mut headers = HeaderMap::new();
        headers.append("etag", HeaderValue::from_static("\"7\""));
        headers.append("content-type", HeaderValue::from_static("application/json"));
        let answer = Kept::Answer(StatusCode::CREATED, headers.clone(), Bytes::from_static(b"{}"));
        let bytes = answer.to_bytes();
        let Some(Kept::Answer(status, read, body)) = Kept::from_bytes(&bytes) else { panic!("no answer") };
        assert_eq!((status, read, &body[..]), (StatusCode::CREATED, headers, &b"{}"[..]));
        for cut in 0..bytes.len() - 2 {
            assert!(Kept::from_bytes(&bytes[..cut]).is_none(), "{cut}");
        }
        let said = Kept::Said("once".to_owned()).to_bytes();
        assert!(matches!(Kept::from_bytes(&said), Some(Kept::Said(said)) if said == "once"));
        assert!(Kept::from_bytes(&[9]).is_none());
    }
}
