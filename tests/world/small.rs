//! A workspace that is quick to push: two environments, no policies. Its content is a number:
//! user, password, URL and flag all tell it, so that a mixture of two contents shows.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bootlace::{
    bundle::{self, Envelope},
    id::{DeploymentId, EnvironmentName, Revision, UnixSeconds},
    plan::Plan,
    source::{self, Directory},
};

use super::Site;

impl Site {
    /// A workspace that tells `number`.
    pub(crate) fn small(number: u64) -> Self {
        let mut site = Self::starter_with(&[]);
        site.tree.remove("policies.toml");
        site.tree.remove("services/cache.toml");
        site.tree.remove("tools/webhook.toml");
        site.tell(number);
        site
    }

    /// Makes the small workspace tell `number`.
    pub(crate) fn tell(&mut self, number: u64) -> &mut Self {
        let (service, deployment) = self.text(number);
        self.write("services/orders-db.toml", service).write("deployments/checkout.toml", deployment)
    }

    /// The service and the deployment that tell `number`.
    fn text(&self, number: u64) -> (String, String) {
        let mut service = String::from("kind = \"postgres\"\n");
        let mut deployment = format!("id = \"{}\"\nrequired = [\"DATABASE_URL\"]\n", self.ids.checkout);
        for environment in ["production", "staging"] {
            let password = password(environment, number);
            let sealed = |address| self.seal(&address, password.as_bytes()).unwrap();
            let credential = sealed(self.credential(environment, "orders-db"));
            let secret = sealed(self.address(environment, "DB_PASSWORD", 1));
            service += &format!(
                "[instances.{environment}]\nuser = \"user-{number}\"\ncredential = \"{credential}\"\n\
                 [[instances.{environment}.endpoints]]\nhost = \"{environment}-{number}.internal\"\n\
                 port = 5432\ndatabase = \"orders\"\ntls = \"disable\"\n"
            );
            deployment += &format!(
                "[environments.{environment}.bindings]\n\
                 DATABASE_URL = {{ service = \"orders-db\", description = \"orders\" }}\n\
                 [environments.{environment}.variables]\nDB_USER = \"user-{number}\"\nFLAG = {number}\n\
                 DB_PASSWORD = {{ secret = \"{secret}\", description = \"the same as in the URL\" }}\n"
            );
        }
        // What the first activations name.
        deployment += "[environments.\"preview/pr-42\".variables]\nDATABASE_URL = \"none\"\n";
        for release in [17, 18, 19] {
            let digest = format!("sha256:{release:064}");
            deployment += &format!(
                "[[releases]]\nnumber = {release}\ndigest = \"{digest}\"\ncreated = 2026-11-01T09:00:00Z\n"
            );
        }
        (service, deployment)
    }

    /// The directory as it would be if it told `number`.
    pub(crate) fn telling(&self, number: u64) -> Directory {
        let (service, deployment) = self.text(number);
        let mut tree = self.tree.clone();
        tree.insert("services/orders-db.toml".into(), service.into_bytes());
        tree.insert("deployments/checkout.toml".into(), deployment.into_bytes());
        source::load(&tree).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// A bundle for a host that follows the machine's clock.
    pub(crate) fn bundle_for_today(&self, directory: &Directory, parent: u64) -> Vec<u8> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let created = i64::try_from(seconds).unwrap();
        let not_after = UnixSeconds(created + 86_400);
        let envelope = Envelope { parent: Revision(parent), created: UnixSeconds(created), not_after };
        bundle::sign_input(&directory.configuration, envelope, &self.operator_key()).unwrap()
    }
}

/// The digest that a boot in `environment` must carry, worked out from what is pushed.
pub(crate) fn digest(directory: &Directory, environment: &str, active: Option<u64>) -> String {
    let deployment: DeploymentId = "checkout".parse().unwrap();
    let environment: EnvironmentName = environment.parse().unwrap();
    Plan::merge(&directory.configuration, &deployment, &environment, active).unwrap().digest.to_string()
}

/// The one number that an answer tells.
///
/// # Panics
/// When it tells two, or has a value of another environment.
pub(crate) fn told(environment: &str, values: &BTreeMap<String, String>) -> u64 {
    let number: u64 = values["FLAG"].parse().unwrap();
    assert_eq!(*values, expected(environment, number), "not all of one generation");
    number
}

/// What an instance must be given when the workspace tells `number`.
pub(crate) fn expected(environment: &str, number: u64) -> BTreeMap<String, String> {
    let password = password(environment, number);
    let url = format!(
        "postgres://user-{number}:{environment}%20{number}%25@{environment}-{number}.internal:5432/orders?sslmode=disable"
    );
    let values = [
        ("COMPANY_NAME", "Acme GmbH".to_owned()),
        ("DATABASE_URL", url),
        ("DB_PASSWORD", password),
        ("DB_USER", format!("user-{number}")),
        ("FLAG", number.to_string()),
    ];
    let starter = STARTER[usize::from(environment == "staging")];
    let starter = starter.iter().map(|(name, value)| (*name, (*value).to_owned()));
    values.into_iter().chain(starter).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn password(environment: &str, number: u64) -> String {
    format!("{environment} {number}%")
}

/// What the starter workspace's base and environments set, in production and in staging.
const STARTER: [[(&str, &str); 7]; 2] = [
    [
        ("LOG_FORMAT", "json"),
        ("LOG_LEVEL", "warn"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel-collector.acme.internal:4317"),
        ("S3_BUCKET", "acme-checkout-production"),
        ("SUPPORT_EMAIL", "support@acme.example"),
        ("TRACE_SAMPLE_RATIO", "0.05"),
        ("TZ", "UTC"),
    ],
    [
        ("LOG_FORMAT", "json"),
        ("LOG_LEVEL", "debug"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel-collector.acme.internal:4317"),
        ("S3_BUCKET", "acme-checkout-staging"),
        ("SUPPORT_EMAIL", "support@acme.example"),
        ("TRACE_SAMPLE_RATIO", "0.5"),
        ("TZ", "UTC"),
    ],
];
