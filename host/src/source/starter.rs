//! A workspace to begin with: `acme` with three environments in a chain and a preview, the
//! deployment `checkout`, two services, a tool and the four sample policies. Its files are under
//! `starter/`, as a person would write them, with `@@…@@` where something is generated.

use std::{collections::BTreeMap, fmt::Display};

use super::{Bootstrap, KeysFile, Tree};
use crate::{
    id::{DeploymentId, EnvironmentName, Uid},
    model::{Address, TokenRecord},
};

/// The workspace's name.
pub const WORKSPACE: &str = "acme";
/// The deployment's name.
pub const DEPLOYMENT: &str = "checkout";
/// The environments that the deployment uses, each with its active release.
pub const ACTIVE: [(&str, u64); 3] = [("production", 17), ("staging", 18), ("preview/pr-42", 19)];
/// The policies, in the order of their names; their components are brought by the caller.
pub const POLICIES: [&str; 4] =
    ["least-privilege", "preview-isolation", "region-affinity", "rotation-canary"];

/// The random ids of a starter workspace.
#[derive(Debug, Clone, Copy)]
pub struct Starter {
    /// The workspace's.
    pub workspace: Uid,
    /// The environment `development`'s.
    pub development: Uid,
    /// The environment `staging`'s.
    pub staging: Uid,
    /// The environment `production`'s.
    pub production: Uid,
    /// The environment `preview/pr-42`'s.
    pub preview: Uid,
    /// The deployment's.
    pub checkout: Uid,
}

/// What the caller adds to the files.
#[derive(Debug)]
pub struct Additions<'a> {
    /// The environments' keys, signed.
    pub keys: &'a KeysFile,
    /// First tokens.
    pub tokens: Vec<TokenRecord>,
    /// Each policy's name and component.
    pub components: &'a [(&'a str, &'a [u8])],
}

/// Why there is no starter workspace.
#[derive(Debug, thiserror::Error)]
pub enum StarterError<E: Display> {
    /// A value could not be sealed.
    #[error("sealing a starter value: {0}")]
    Seal(E),
    /// The files under `starter/` name something that is not generated.
    #[error("the starter files ask for `{0}`, which is not generated")]
    Placeholder(String),
    /// A name that is none; the constants above are wrong.
    #[error(transparent)]
    Name(#[from] crate::id::InvalidName),
}

impl Starter {
    /// Draws all ids.
    pub fn new(mut random: impl FnMut() -> Uid) -> Self {
        Self {
            workspace: random(),
            development: random(),
            staging: random(),
            production: random(),
            preview: random(),
            checkout: random(),
        }
    }

    /// Name and id of every environment.
    #[must_use]
    pub fn environments(&self) -> [(&'static str, Uid); 4] {
        [
            ("development", self.development),
            ("staging", self.staging),
            ("production", self.production),
            ("preview/pr-42", self.preview),
        ]
    }

    /// The directory's files. `seal` makes a `sealed:…` text of a plaintext for an address.
    ///
    /// # Errors
    /// When `seal` fails.
    pub fn tree<E: Display>(
        &self,
        additions: Additions<'_>,
        mut seal: impl FnMut(&Address, &[u8]) -> Result<String, E>,
    ) -> Result<Tree, StarterError<E>> {
        let mut tree = Tree::new();
        for (path, text) in FILES {
            tree.insert(path.to_owned(), self.fill(text, &mut seal)?.into_bytes());
        }
        for (name, component) in additions.components {
            tree.insert(format!("policies/{name}.wasm"), component.to_vec());
        }
        let mut active: BTreeMap<EnvironmentName, u64> = BTreeMap::new();
        for (environment, release) in ACTIVE {
            active.insert(environment.parse()?, release);
        }
        let deployment: DeploymentId = DEPLOYMENT.parse()?;
        let bootstrap =
            Bootstrap { tokens: additions.tokens, active: BTreeMap::from([(deployment, active)]) };
        tree.insert("keys.toml".to_owned(), additions.keys.to_toml().into_bytes());
        tree.insert("bootstrap.toml".to_owned(), bootstrap.to_toml().into_bytes());
        Ok(tree)
    }

    fn fill<E: Display>(
        &self,
        text: &str,
        seal: &mut impl FnMut(&Address, &[u8]) -> Result<String, E>,
    ) -> Result<String, StarterError<E>> {
        let mut filled = String::with_capacity(text.len() * 2);
        for (at, part) in text.split("@@").enumerate() {
            if at % 2 == 0 {
                filled.push_str(part);
                continue;
            }
            let unknown = || StarterError::Placeholder(part.to_owned());
            let words: Vec<&str> = part.split(':').collect();
            match words[..] {
                ["id", what] => filled.push_str(&self.uid(what).ok_or_else(unknown)?.to_string()),
                ["secret", environment, name, version] => {
                    let layer = (self.uid(environment).ok_or_else(unknown)?, self.checkout);
                    let number = version.parse().map_err(|_| unknown())?;
                    let address = Address::variable(self.workspace, layer, &name.parse()?, number);
                    let plaintext = format!("demo-{environment}-{name}-v{version}");
                    filled.push_str(&seal(&address, plaintext.as_bytes()).map_err(StarterError::Seal)?);
                }
                ["credential", environment, service] => {
                    let owner = self.uid(environment).ok_or_else(unknown)?;
                    let address = Address::credential(self.workspace, owner, &service.parse()?, 1);
                    // Odd on purpose: a password may hold what a URL must not.
                    let plaintext = format!("demo/{environment}@{service}#1 %&=+");
                    filled.push_str(&seal(&address, plaintext.as_bytes()).map_err(StarterError::Seal)?);
                }
                ["tool", environment, tool, credential] => {
                    let environment_uid = self.uid(environment).ok_or_else(unknown)?;
                    let names = (&tool.parse()?, &credential.parse()?);
                    let address = Address::tool_credential(self.workspace, environment_uid, names, 1);
                    let plaintext = format!("demo-{environment}-{tool}-{credential}-v1");
                    filled.push_str(&seal(&address, plaintext.as_bytes()).map_err(StarterError::Seal)?);
                }
                _ => return Err(unknown()),
            }
        }
        Ok(filled)
    }

    fn uid(&self, what: &str) -> Option<Uid> {
        Some(match what {
            "workspace" => self.workspace,
            "development" => self.development,
            "staging" => self.staging,
            "production" => self.production,
            "preview" => self.preview,
            "checkout" => self.checkout,
            _ => return None,
        })
    }
}

const FILES: [(&str, &str); 11] = [
    ("README.md", include_str!("starter/README.md")),
    ("workspace.toml", include_str!("starter/workspace.toml")),
    ("environments/development.toml", include_str!("starter/environments/development.toml")),
    ("environments/staging.toml", include_str!("starter/environments/staging.toml")),
    ("environments/production.toml", include_str!("starter/environments/production.toml")),
    ("environments/preview/pr-42.toml", include_str!("starter/environments/preview/pr-42.toml")),
    ("deployments/checkout.toml", include_str!("starter/deployments/checkout.toml")),
    ("services/orders-db.toml", include_str!("starter/services/orders-db.toml")),
    ("services/cache.toml", include_str!("starter/services/cache.toml")),
    ("tools/webhook.toml", include_str!("starter/tools/webhook.toml")),
    ("policies.toml", include_str!("starter/policies.toml")),
];
