//! An endpoint as one argument: `role=primary,host=db.internal,port=5432,tls=verify`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where a service listens, as the host takes and shows it; what is not said is the host's default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Endpoint {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    host: String,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

/// The text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// A part without `=`.
    #[error("write KEY=VALUE, with commas in between")]
    NoValue,
    /// A key that is none.
    #[error("there is no {0}; use role, region, zone, host, port, database, tls, option.KEY and label.KEY")]
    Unknown(String),
    /// A key that is there already.
    #[error("{0} is said twice")]
    Twice(String),
    /// No host.
    #[error("say the host, as host=NAME")]
    NoHost,
    /// No port, or none that is one.
    #[error("say the port, as port=NUMBER")]
    NoPort,
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let mut said = BTreeMap::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or(InvalidEndpoint::NoValue)?;
            if said.insert(key, value.to_owned()).is_some() {
                return Err(InvalidEndpoint::Twice(key.to_owned()));
            }
        }
        let mut taken = |key: &str| said.remove(key);
        let mut endpoint = Self {
            role: taken("role"),
            region: taken("region"),
            zone: taken("zone"),
            host: taken("host").ok_or(InvalidEndpoint::NoHost)?,
            port: taken("port").and_then(|port| port.parse().ok()).ok_or(InvalidEndpoint::NoPort)?,
            database: taken("database"),
            tls: taken("tls"),
            ..Self::default()
        };
        for (key, value) in said {
            match (key.strip_prefix("option."), key.strip_prefix("label.")) {
                (Some(name), _) => drop(endpoint.options.insert(name.to_owned(), value)),
                (_, Some(name)) => drop(endpoint.labels.insert(name.to_owned(), value)),
                _ => return Err(InvalidEndpoint::Unknown(key.to_owned())),
            }
        }
        Ok(endpoint)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            ("role", &self.role),
            ("region", &self.region),
            ("zone", &self.zone),
            ("database", &self.database),
            ("tls", &self.tls),
        ];
        write!(f, "host={},port={}", self.host, self.port)?;
        for (key, value) in named.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
            if !value.is_empty() {
                write!(f, ",{key}={value}")?;
            }
        }
        self.options.iter().try_for_each(|(key, value)| write!(f, ",option.{key}={value}"))?;
        self.labels.iter().try_for_each(|(key, value)| write!(f, ",label.{key}={value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_reads_back_as_it_is_written() {
        let text = "role=primary,region=eu-west-1,host=db,port=5432,database=orders,tls=verify,\
                    option.pool_size=5,label.tier=gold";
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint.clone()));
        let written = serde_json::to_string(&endpoint).unwrap();
        assert_eq!(serde_json::from_str::<Endpoint>(&written).unwrap(), endpoint);
    }

    #[test]
    fn what_is_no_endpoint_says_why() {
        for (text, expected) in [
            ("host", InvalidEndpoint::NoValue),
            ("port=1", InvalidEndpoint::NoHost),
            ("host=a", InvalidEndpoint::NoPort),
            ("host=a,port=x", InvalidEndpoint::NoPort),
            ("host=a,port=70000", InvalidEndpoint::NoPort),
            ("host=a,port=1,hots=b", InvalidEndpoint::Unknown("hots".into())),
            ("host=a,port=1,host=b", InvalidEndpoint::Twice("host".into())),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(expected), "{text}");
        }
    }
}
