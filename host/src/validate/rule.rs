use super::Path;
use crate::{
    id::{
        CredentialName, DeploymentId, DomainName, EnvironmentName, InvalidName, NamespaceName, PolicyName,
        ServiceId, ToolName, VariableName,
    },
    model::NamespaceKind,
    plan::LayerName,
};

/// What is wrong, and what to do about it. No text holds a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text says what it is")]
pub enum Rule {
    #[error("there is no environment {0}; add it or name another")]
    UnknownEnvironment(EnvironmentName),
    #[error("there is no deployment {0}; add it or name another")]
    UnknownDeployment(DeploymentId),
    #[error("there is no service {0}; add it or name another")]
    UnknownService(ServiceId),
    #[error("there is no policy {0}; add it or name another")]
    UnknownPolicy(PolicyName),
    #[error("deployment {0} has no release {1}; add it or name another")]
    UnknownRelease(DeploymentId, u64),
    #[error("deployment {0} does not use environment {1}; add it there first")]
    EnvironmentNotUsed(DeploymentId, EnvironmentName),
    #[error("promotion runs in a circle: {}; end the chain somewhere", .0.join(" to "))]
    PromotionCycle(Vec<String>),
    #[error("no environment is active; add one that is not deprecated")]
    NoActiveEnvironment,
    #[error("is kept under another name; use one name")]
    Misnamed,
    #[error("has the same id as {0}; every id is used once")]
    SharedId(String),
    #[error("the id is all zeros; use 32 random hex digits")]
    ZeroId,
    #[error("a secret cannot stand in a base layer; set it in each environment, so that each seals its own")]
    SecretInBase,
    #[error("is secret, but not sealed; write the output of `bootlace seal`")]
    PlainSecret,
    #[error("only a secret is rotated; drop `rotate-every` and `rotated`, or seal it")]
    RotatedPlain,
    #[error("is sealed, but plain values are readable; declare it with `secret`, or write the value")]
    SealedPlain,
    #[error(
        "environment {0} holds values and has no key that they could be sealed with; run `bootlace keygen environment`"
    )]
    NoKey(EnvironmentName),
    #[error("holds a NUL character, which no environment variable can; take it out")]
    Nul,
    #[error("a secret needs a description; say what it opens")]
    NoDescription,
    #[error(
        "is {here} here and {there} in the {layer} layer (seen in {environment}); a name is secret in all layers or in none"
    )]
    SecrecyDiffers { here: &'static str, there: &'static str, layer: LayerName, environment: EnvironmentName },
    #[error("is both a variable and a binding here; remove one of them")]
    VariableAndBinding,
    #[error("sets {name}, and so does {other}; give one of them another name")]
    SetTwice { name: VariableName, other: Path },
    #[error("the deployment has no [domain]; add one with its apex, or take this out")]
    NoDomain,
    #[error("by convention, {name} would be the domain of {environment}: {error}; write `domain` there")]
    DomainConvention { name: String, environment: EnvironmentName, error: InvalidName },
    #[error("{name} is the domain of {other}, too; a name leads to one place, so write another `domain`")]
    DomainTaken { name: DomainName, other: Path },
    #[error("the deployment has no {0} namespace; name it under [namespaces]")]
    NoNamespace(NamespaceKind),
    #[error("the name that the convention makes of {0} is {1}; write a name of its own there")]
    NamespaceConvention(EnvironmentName, InvalidName),
    #[error("{0} has no {1} namespace of its own to share; name the environment that has it")]
    NamespaceNotOwned(EnvironmentName, NamespaceKind),
    #[error(
        "{preview} is a preview, and {owner} is production: a preview never shares its data; share another's"
    )]
    PreviewOfProduction { preview: EnvironmentName, owner: EnvironmentName },
    #[error(
        "{name} is the namespace of {other}, too; environments share one only where one says `{{ of = … }}`, so write another name"
    )]
    NamespaceTaken { name: NamespaceName, other: Path },
    #[error("there is no tool {0}; add it or name another")]
    UnknownTool(ToolName),
    #[error("tool {0} has no profile for {1}; add one, no environment uses another's")]
    NoProfile(ToolName, EnvironmentName),
    #[error("the profile of tool {0} has no credential {1}; add it or name another")]
    UnknownCredential(ToolName, CredentialName),
    #[error("a profile gives settings or credentials; add some")]
    EmptyProfile,
    #[error("service {0} has no instance in {1}; add one or bind another environment's")]
    NoInstance(ServiceId, EnvironmentName),
    #[error("{owner} does not share {service} with {environment}; add {environment} to its `shared-with`")]
    NotShared { service: ServiceId, owner: EnvironmentName, environment: EnvironmentName },
    #[error("an instance listens somewhere; add an endpoint")]
    NoEndpoints,
    #[error(
        "the host is not a name, an address or (for postgres) a socket directory; write it without port or scheme"
    )]
    BadHost,
    #[error("port 0 is no port; write the one the service listens on")]
    BadPort,
    #[error("a generic service needs the option `scheme`, such as `amqp`; add it")]
    NoScheme,
    #[error("`sslmode` follows from `tls`; set that instead")]
    SslmodeOption,
    #[error("{key} is required in {environment} and nothing sets it; set it in one of the layers")]
    MissingRequired { key: VariableName, environment: EnvironmentName },
    #[error("is required but not injected (`inject = false`) in {0}; drop one of the two")]
    RequiredNotInjected(EnvironmentName),
    #[error(
        "must be {here} here and {there} in {other} (seen in {environment}); a later layer may narrow what an earlier one asks, not widen or change it"
    )]
    TypesContradict { here: String, there: String, other: Path, environment: EnvironmentName },
    #[error("is not {expected}, as {asked} asks (seen in {environment}); set one that is")]
    WrongType { expected: String, asked: Path, environment: EnvironmentName },
    #[error("{fault} (in {deployment}, {environment}); mend the template")]
    Template { fault: String, deployment: DeploymentId, environment: EnvironmentName },
    #[error("has no versions; add one")]
    NoVersions,
    #[error("versions are counted from 1 and ascend, each once; put them in order")]
    VersionOrder,
    #[error("version {0} is current, but not among the versions; name one that is")]
    NoCurrentVersion(u64),
    #[error("releases are counted from 1 to 9007199254740991, each once, and kept under their number")]
    ReleaseNumber,
    #[error("{count} {what} are too many; at most {limit}")]
    TooMany { what: &'static str, count: usize, limit: usize },
    #[error("{what} of {count} bytes is too long; at most {limit}")]
    TooLong { what: &'static str, count: usize, limit: usize },
}
