//! A workspace directory in memory, with all of its keys: what a tenant, an operator and the
//! instances hold between them. Tests edit its files as a tenant would.

use std::{collections::BTreeMap, fs, path::Path};

use bootlace::{
    bundle::{self, Envelope},
    entropy::fresh,
    id::{EnvironmentName, Revision, Uid, UnixSeconds},
    keyring::{self, RootKey, RootKeys},
    model::{Address, EnvironmentKeys, Role, Scope, TokenRecord},
    seal::{self, EnvironmentPublicKey},
    signing::{OperatorKey, PublishedKey, TrustedSigners, sign_environment_keys},
    source::{
        self, Bootstrap, Directory, KeysFile, Tree,
        starter::{ACTIVE, Additions, DEPLOYMENT, POLICIES, Starter, WORKSPACE},
    },
    system::entropy,
    token::{Token, token_id},
};
use zeroize::Zeroizing;

use super::NOON;

/// A workspace directory and everybody's keys.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) tree: Tree,
    pub(crate) ids: Starter,
    pub(crate) workspace: &'static str,
    /// Records of tokens that are in no `bootstrap.toml`.
    pub(crate) extra: Vec<TokenRecord>,
    root: [u8; 32],
    operator: [u8; 32],
    keys: BTreeMap<EnvironmentName, EnvironmentKeys>,
    tokens: BTreeMap<String, String>,
}

impl Site {
    /// The starter workspace, under fresh keys.
    pub(crate) fn starter() -> Self {
        let components: Vec<_> = POLICIES.iter().map(|name| (*name, component(name))).collect();
        Self::starter_with(&components)
    }

    /// The starter workspace with these components in place of the sample policies.
    pub(crate) fn starter_with(components: &[(&str, Vec<u8>)]) -> Self {
        Self::build(WORKSPACE, "demo", components)
    }

    /// Another workspace with the same names in it, under its own keys and ids; its secrets start
    /// with `twin` where the starter's start with `demo`.
    pub(crate) fn twin() -> Self {
        let components: Vec<_> = POLICIES.iter().map(|name| (*name, component(name))).collect();
        let mut site = Self::build("other", "twin", &components);
        site.edit("workspace.toml", "name = \"acme\"", "name = \"other\"");
        site
    }

    /// One environment, one deployment, one secret, no policy.
    pub(crate) fn single() -> Self {
        let mut site = Self::starter();
        site.keys.retain(|name, _| name.as_str() == "staging");
        let keys = KeysFile { environments: site.keys.clone(), signature: None };
        let secret = site.seal(&site.address("staging", "API_KEY", 1), b"demo-staging-API_KEY-v1").unwrap();
        let tokens = site.directory().bootstrap.unwrap().tokens.into_iter().filter(
            |record| matches!(&record.scope, Scope::Instance { environment, .. } if environment.as_str() == "staging"),
        );
        let bootstrap = Bootstrap { tokens: tokens.collect(), active: BTreeMap::new() };
        let (ids, workspace) = (site.ids, site.workspace);
        let files = [
            (
                "workspace.toml",
                format!("format = 1\n[workspace]\nname = \"{workspace}\"\nid = \"{}\"\n", ids.workspace),
            ),
            ("environments/staging.toml", format!("type = \"pre-production\"\nid = \"{}\"\n", ids.staging)),
            (
                "deployments/checkout.toml",
                format!(
                    "id = \"{}\"\n[environments.staging.variables]\n\
                     API_KEY = {{ secret = \"{secret}\", description = \"calls the API\" }}\n",
                    ids.checkout
                ),
            ),
            ("keys.toml", keys.to_toml()),
            ("bootstrap.toml", bootstrap.to_toml()),
        ];
        site.tree = files.map(|(path, text)| (path.to_owned(), text.into_bytes())).into();
        site
    }

    fn build(workspace: &'static str, mark: &str, components: &[(&str, Vec<u8>)]) -> Self {
        let ids = Starter::new(|| Uid(fresh(&mut entropy)));
        let (root, operator) = (fresh(&mut entropy), fresh(&mut entropy));
        let root_key = RootKey::new(Zeroizing::new(root));
        let mut keys = BTreeMap::new();
        for (name, uid) in ids.environments() {
            let pair = keyring::new_environment_keys(&root_key, ids.workspace, uid, &mut entropy);
            keys.insert(name.parse::<EnvironmentName>().unwrap(), pair);
        }
        let mut site = Self {
            tree: Tree::new(),
            ids,
            workspace,
            extra: Vec::new(),
            root,
            operator,
            keys,
            tokens: BTreeMap::new(),
        };
        let keys_file = site.keys_file();
        let records = site.mint();
        let borrowed: Vec<_> = components.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        let additions = Additions { keys: &keys_file, tokens: records, components: &borrowed };
        let marked =
            |plaintext: &[u8]| String::from_utf8(plaintext.to_vec()).unwrap().replacen("demo", mark, 1);
        let seal = |address: &Address, plaintext: &[u8]| site.seal(address, marked(plaintext).as_bytes());
        site.tree = ids.tree(additions, seal).unwrap();
        site
    }

    fn keys_file(&self) -> KeysFile {
        let published: Vec<_> = self
            .keys
            .iter()
            .map(|(name, pair)| PublishedKey {
                environment: name.clone(),
                uid: self.uid(name.as_str()),
                public: EnvironmentPublicKey(pair.public),
            })
            .collect();
        let operator = self.operator_key();
        let signature = sign_environment_keys(&operator, self.ids.workspace, &published);
        let signer = operator.verifying_key().to_bytes();
        KeysFile { environments: self.keys.clone(), signature: Some((signer, signature.0)) }
    }

    fn mint(&mut self) -> Vec<TokenRecord> {
        let workspace = self.workspace.parse::<bootlace::id::WorkspaceId>().unwrap();
        let instance = |environment: &str| Scope::Instance {
            workspace: workspace.clone(),
            deployment: DEPLOYMENT.parse().unwrap(),
            environment: environment.parse().unwrap(),
        };
        let tenant = |role| Scope::Tenant { workspace: workspace.clone(), role, environments: [].into() };
        let instances = ACTIVE.iter().map(|(name, _)| ((*name).to_owned(), instance(name)));
        let tenants = Role::ALL.iter().map(|role| (role.as_str().to_owned(), tenant(*role)));
        let scopes: Vec<_> = instances.chain(tenants).collect();
        scopes.into_iter().map(|(name, scope)| self.mint_one(&name, scope, None)).collect()
    }

    /// A token under a name that [`Site::token`] finds it by, and its record.
    pub(crate) fn mint_one(&mut self, name: &str, scope: Scope, expires: Option<UnixSeconds>) -> TokenRecord {
        let token = Token::mint(scope.kind(), Zeroizing::new(fresh(&mut entropy)));
        let hash = token.hash();
        self.tokens.insert(name.to_owned(), token.expose().to_owned());
        TokenRecord {
            id: token_id(&hash),
            hash,
            minted_by: Default::default(),
            principal: format!("{name} of the tests"),
            scope,
            created_at: NOON,
            expires_at: expires,
            last_use: Default::default(),
        }
    }

    /// An environment's instance token, or a role's tenant token.
    pub(crate) fn token(&self, name: &str) -> &str {
        self.tokens.get(name).unwrap_or_else(|| panic!("no token for {name}"))
    }

    pub(crate) fn uid(&self, environment: &str) -> Uid {
        let all = self.ids.environments();
        all.iter().find(|(name, _)| *name == environment).unwrap_or_else(|| panic!("{environment}")).1
    }

    pub(crate) fn root_key(&self) -> RootKey {
        RootKey::new(Zeroizing::new(self.root))
    }

    pub(crate) fn root_key_bytes(&self) -> [u8; 32] {
        self.root
    }

    pub(crate) fn roots(&self) -> RootKeys {
        RootKeys::new([self.root_key()])
    }

    pub(crate) fn operator_key(&self) -> OperatorKey {
        OperatorKey::new(Zeroizing::new(self.operator))
    }

    pub(crate) fn trusted(&self) -> TrustedSigners {
        TrustedSigners::new([self.operator_key().verifying_key()])
    }

    /// Seals to the environment that the address is in.
    pub(crate) fn seal(&self, address: &Address, plaintext: &[u8]) -> Result<String, seal::SealError> {
        let environments = self.ids.environments();
        let named = environments.iter().find(|(_, uid)| *uid == address.environment).unwrap();
        let pair = &self.keys[&named.0.parse::<EnvironmentName>().unwrap()];
        let sealed = seal::seal_text(&EnvironmentPublicKey(pair.public), address, plaintext, &mut entropy)?;
        Ok(sealed.0.to_string())
    }

    /// The address of a secret of deployment `checkout`.
    pub(crate) fn address(&self, environment: &str, name: &str, version: u64) -> Address {
        let layer = (self.uid(environment), self.ids.checkout);
        Address::variable(self.ids.workspace, layer, &name.parse().unwrap(), version)
    }

    /// The address of a service's credential.
    pub(crate) fn credential(&self, environment: &str, service: &str) -> Address {
        Address::credential(self.ids.workspace, self.uid(environment), &service.parse().unwrap(), 1)
    }

    /// A file's text.
    pub(crate) fn file(&self, path: &str) -> &str {
        std::str::from_utf8(self.tree.get(path).unwrap_or_else(|| panic!("no file {path}"))).unwrap()
    }

    /// Replaces a file.
    pub(crate) fn write(&mut self, path: &str, text: impl Into<Vec<u8>>) -> &mut Self {
        self.tree.insert(path.to_owned(), text.into());
        self
    }

    /// Replaces a part of a file, which must be there.
    pub(crate) fn edit(&mut self, path: &str, from: &str, to: &str) -> &mut Self {
        let text = self.file(path);
        assert!(text.contains(from), "{path} does not hold {from}");
        let edited = text.replacen(from, to, 1);
        self.write(path, edited)
    }

    /// Has an environment take releases in that way: `automatic`, `manual` or `approval`.
    pub(crate) fn trigger(&mut self, environment: &str, trigger: &str) -> &mut Self {
        let path = format!("environments/{environment}.toml");
        self.change_toml(&path, |file| file["trigger"] = toml_edit::value(trigger))
    }

    /// Seals a secret of deployment `checkout` again, with another plaintext.
    pub(crate) fn set_secret(&mut self, environment: &str, name: &str, plaintext: &str) -> &mut Self {
        let sealed = self.seal(&self.address(environment, name, 1), plaintext.as_bytes()).unwrap();
        self.change_toml("deployments/checkout.toml", |file| {
            file["environments"][environment]["variables"][name]["secret"] = toml_edit::value(sealed);
        })
    }

    /// Sets a plain text of deployment `checkout` in one environment.
    pub(crate) fn set_plain(&mut self, environment: &str, name: &str, text: &str) -> &mut Self {
        self.change_toml("deployments/checkout.toml", |file| {
            file["environments"][environment]["variables"][name] = toml_edit::value(text);
        })
    }

    /// Changes a file as TOML.
    pub(crate) fn change_toml(
        &mut self,
        path: &str,
        change: impl FnOnce(&mut toml_edit::DocumentMut),
    ) -> &mut Self {
        let mut file: toml_edit::DocumentMut = self.file(path).parse().unwrap();
        change(&mut file);
        self.write(path, file.to_string())
    }

    /// What the directory says.
    pub(crate) fn directory(&self) -> Directory {
        source::load(&self.tree).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// A bundle of the directory, made against `parent`.
    pub(crate) fn bundle(&self, parent: Revision) -> Vec<u8> {
        self.bundle_of(&self.directory(), parent)
    }

    /// A bundle of anything, valid for a day.
    pub(crate) fn bundle_of(&self, directory: &Directory, parent: Revision) -> Vec<u8> {
        let envelope = Envelope { parent, created: NOON, not_after: UnixSeconds(NOON.0 + 86_400) };
        bundle::sign_input(&directory.configuration, envelope, &self.operator_key()).unwrap()
    }
}

/// A built sample policy.
pub(crate) fn component(name: &str) -> Vec<u8> {
    wasm("../policies/dist", name)
}

/// A built test guest.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    wasm("guests/dist", name)
}

fn wasm(directory: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory).join(format!("{name}.wasm"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
