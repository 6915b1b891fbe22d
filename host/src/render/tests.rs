use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::*;

const ODD: [&str; 6] = ["p@ss:w/rd#%&= ü", "", " ", "%41%zz", "a+b?c&d", "\u{1F511}\n\"\\'"];

fn endpoint(host: &str, tls: Tls, options: &[(&str, &str)]) -> Endpoint {
    Endpoint {
        role: "primary".into(),
        region: Some("eu west".into()),
        zone: None,
        host: host.into(),
        port: 5432,
        database: "orders".into(),
        tls,
        options: options.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        labels: BTreeMap::new(),
    }
}

fn written(kind: ServiceKind, endpoint: &Endpoint, user: &str, password: Option<&str>) -> String {
    let mut out = Vec::new();
    url(kind, endpoint, user, password.map(str::as_bytes), &mut out).unwrap();
    assert!(out.len() <= url_capacity(endpoint, user, password.map_or(0, str::len)));
    String::from_utf8(out).unwrap()
}

#[test]
fn each_kind_has_its_url() {
    use ServiceKind::{Bucket, Generic, Postgres, Redis};
    let cases = [
        (Postgres, Tls::Verify, "db.test", "postgres://u:p@db.test:5432/orders?sslmode=verify-full&a=1&b=2"),
        (Postgres, Tls::Require, "::1", "postgres://u:p@[::1]:5432/orders?sslmode=require&a=1&b=2"),
        (Postgres, Tls::Disable, "/run/pg", "postgres://u:p@%2Frun%2Fpg:5432/orders?sslmode=disable&a=1&b=2"),
        (Redis, Tls::Disable, "c.test", "redis://u:p@c.test:5432/orders?a=1&b=2"),
        (Redis, Tls::Verify, "fe80::1%eth0", "rediss://u:p@[fe80::1%25eth0]:5432/orders?a=1&b=2"),
        (Bucket, Tls::Verify, "s3.test", "https://u:p@s3.test:5432/orders?region=eu%20west&a=1&b=2"),
        (Generic, Tls::Verify, "mq.test", "amqp+x://u:p@mq.test:5432/orders?a=1&b=2"),
    ];
    for (kind, tls, host, expected) in cases {
        let mut options = vec![("b", "2"), ("a", "1")];
        options.extend((kind == Generic).then_some(("scheme", "amqp+x")));
        assert_eq!(written(kind, &endpoint(host, tls, &options), "u", Some("p")), expected);
    }
}

#[test]
fn generic_without_a_scheme_is_refused() {
    for options in [&[][..], &[("scheme", "")], &[("scheme", "a b")], &[("scheme", "1x")]] {
        let endpoint = endpoint("h", Tls::Disable, options);
        let result = url(ServiceKind::Generic, &endpoint, "", None, &mut Vec::new());
        assert_eq!(result, Err(RenderError::NoScheme));
    }
}

#[test]
fn user_and_password_may_each_be_absent() {
    let plain = endpoint("h", Tls::Disable, &[]);
    let redis = |user, password| written(ServiceKind::Redis, &plain, user, password);
    assert_eq!(redis("", None), "redis://h:5432/orders");
    assert_eq!(redis("", Some("p")), "redis://default:p@h:5432/orders");
    assert_eq!(redis("u", None), "redis://u:@h:5432/orders");
    let postgres = written(ServiceKind::Postgres, &plain, "u", None);
    assert_eq!(postgres, "postgres://u@h:5432/orders?sslmode=disable");
}

#[test]
fn odd_user_password_database_and_options_read_back() {
    for odd in ODD {
        let mut endpoint = endpoint("h", Tls::Disable, &[("k", odd)]);
        endpoint.database = odd.into();
        let url = written(ServiceKind::Postgres, &endpoint, odd, Some(odd));
        let rest = url.strip_prefix("postgres://").unwrap();
        let (info, rest) = rest.split_once('@').unwrap();
        let (user, password) = info.split_once(':').unwrap();
        let (path, query) = rest.split_once('?').unwrap();
        let (_, database) = path.split_once('/').unwrap();
        let (_, option) = query.split_once("&k=").unwrap();
        for part in [user, password, database, option] {
            assert_eq!(percent_decode_str(part).decode_utf8().unwrap(), odd);
            assert!(part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        }
    }
}

#[test]
fn encodings_read_back() {
    for odd in ODD {
        let write = |encoding| {
            let mut out = b"before".to_vec();
            encode(odd.as_bytes(), encoding, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned();
            assert!(text.len() <= encoded_capacity(odd.len(), encoding));
            text
        };
        assert_eq!(write(Encoding::Raw), odd);
        assert_eq!(percent_decode_str(&write(Encoding::Percent)).decode_utf8().unwrap(), odd);
        let json = format!("\"{}\"", write(Encoding::JsonString));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), odd);
        assert_eq!(STANDARD.decode(write(Encoding::Base64)).unwrap(), odd.as_bytes());
    }
    assert_eq!(encode(&[0xff], Encoding::JsonString, &mut Vec::new()), Err(RenderError::NotText));
    let mut control = Vec::new();
    encode(b"\x00\x1f\x7f", Encoding::JsonString, &mut control).unwrap();
    assert_eq!(control, b"\\u0000\\u001f\x7f");
}
