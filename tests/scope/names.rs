//! One identity each: whoever spells a name of a path, a query or a body in another way is told that
//! there is no such thing, whatever their role, and changes nothing. A percent-encoding of the very
//! same name is that name.

use std::sync::Arc;

use serde_json::Value;

use super::{
    BOUND, Outcome, PROBE, Who,
    routes::{Listener, ROUTES, Route, is_resource},
    set_probe,
    spelling::{Spelling, beside, every_byte, hostile},
    tokens,
};
use crate::world::{
    Answer,
    http::{Connection, prepared},
    pair::{Pair, Place},
};

/// Everything that a request may name.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) workspace: Spelling,
    pub(super) environment: Spelling,
    pub(super) deployment: Spelling,
    pub(super) variable: Spelling,
    pub(super) version: Spelling,
    pub(super) token: Spelling,
    pub(super) service: Spelling,
    pub(super) policy: Spelling,
    pub(super) attachment: Spelling,
    pub(super) tool: Spelling,
    pub(super) binding: Spelling,
    pub(super) lease: Spelling,
    pub(super) promotion: Spelling,
}

/// Where none is at hand.
const NO_PROMOTION: &str = "006b02d940049a3f6b8e";
/// Where none is at hand.
pub(super) const NO_LEASE: &str = "00000000000000000000000000000000";

/// One of them.
type Named = fn(&mut Names) -> &mut Spelling;

/// Which is spelt otherwise.
const NAMED: [(&str, Named); 13] = [
    ("workspace", |names| &mut names.workspace),
    ("environment", |names| &mut names.environment),
    ("deployment", |names| &mut names.deployment),
    ("variable", |names| &mut names.variable),
    ("version", |names| &mut names.version),
    ("token", |names| &mut names.token),
    ("service", |names| &mut names.service),
    ("policy", |names| &mut names.policy),
    ("attachment", |names| &mut names.attachment),
    ("tool", |names| &mut names.tool),
    ("binding", |names| &mut names.binding),
    ("lease", |names| &mut names.lease),
    ("promotion", |names| &mut names.promotion),
];

impl Names {
    pub(super) fn of(place: Place, token: &str) -> Self {
        Self {
            workspace: Spelling::of(place.workspace),
            environment: Spelling::of(place.environment),
            deployment: Spelling::of("checkout"),
            variable: Spelling::of(PROBE),
            version: Spelling::of("1"),
            token: Spelling::of(token),
            service: Spelling::of("orders-db"),
            policy: Spelling::of("region-affinity"),
            attachment: Spelling::of(&super::everywhere()),
            tool: Spelling::of("webhook"),
            binding: Spelling::of(&format!("{BOUND}@{}", place.environment)),
            lease: Spelling::of(NO_LEASE),
            promotion: Spelling::of(NO_PROMOTION),
        }
    }

    /// A route's path with these names in it.
    ///
    /// # Panics
    /// When a new route's path names a kind of thing that is not among them: add it.
    pub(super) fn path(&self, route: &str) -> String {
        let mut kind = "";
        let segments = route.split('/').map(|segment| {
            let named = match (segment.starts_with('{'), kind) {
                (false, _) => None,
                (true, "deployments") => Some(&self.deployment),
                (true, "environments") => Some(&self.environment),
                (true, "env") => Some(&self.variable),
                (true, "versions") => Some(&self.version),
                (true, "tokens") => Some(&self.token),
                (true, "services") => Some(&self.service),
                (true, "policies") => Some(&self.policy),
                (true, "attachments") => Some(&self.attachment),
                (true, "tools") => Some(&self.tool),
                (true, "bindings") => Some(&self.binding),
                (true, "lease" | "leases") => Some(&self.lease),
                (true, "promotions") => Some(&self.promotion),
                (true, kind) => panic!("{route}: tell Names what a {kind}'s {segment} is"),
            };
            kind = segment;
            named.map_or(segment, |name| name.url.as_str())
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

/// Which parameters a route reads in its query, as the host itself tells.
struct Told(Value);

impl Told {
    async fn of(pair: &Pair) -> Self {
        Self(pair.world.get_admin("/openapi.json").await.json())
    }

    fn reads(&self, (_, method, path): Route, parameter: &str) -> bool {
        let operation = &self.0["paths"][path][method.to_lowercase()];
        let parameters = operation["parameters"].as_array();
        parameters.into_iter().flatten().any(|one| one["name"] == parameter && one["in"] == "query")
    }
}

/// A request that names only what the host says it reads.
fn request(told: &Told, route: Route, names: &Names) -> (String, String) {
    // A confirmation is said to be understood, and names nothing that the path does not.
    let all = Spelling::of("production,staging,preview/pr-42,development");
    let of_environment = route.2.starts_with("/api/v1/environments/");
    let confirmed = if of_environment { names.environment.clone() } else { all };
    let query = [
        ("workspace", &names.workspace),
        ("environment", &names.environment),
        ("confirm", &confirmed),
        ("from", &names.environment),
        ("to", &names.environment),
        ("environments", &names.environment),
    ];
    // Beside one environment stand two of its revisions.
    let is_between = told.reads(route, "from");
    let query = query.into_iter().filter(|(name, _)| told.reads(route, name));
    let query = query.filter(|(name, _)| *name != "environment" || !is_between);
    let query: Vec<_> = query.map(|(name, spelling)| format!("{name}={}", spelling.url)).collect();
    (format!("{}?{}", names.path(route.2), query.join("&")), super::body((route.1, route.2), names))
}

struct Client {
    listener: std::net::SocketAddr,
    connection: Option<Connection>,
    token: Option<String>,
}

impl Client {
    fn new(pair: &Pair, listener: Listener, token: Option<String>) -> Self {
        let listener = match listener {
            Listener::Boot => pair.world.boot_address(),
            Listener::Admin => pair.world.admin_address(),
        };
        Self { listener, connection: None, token }
    }

    async fn send(&mut self, method: &str, path: &str, body: String) -> Answer {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.listener).await,
        };
        let request = prepared(method, path, self.token.as_deref(), &[], body.into_bytes());
        let answer = connection.send(request).await;
        if answer.header("connection") != "close" {
            self.connection = Some(connection);
        }
        answer
    }
}

/// Every role, in all environments and in one; everybody else.
fn callers(pair: &Pair) -> Vec<(String, Option<String>, Who)> {
    let wanted = |name: &str| {
        let roles = ["viewer", "developer", "releaser", "admin"];
        let own = roles.iter().any(|role| {
            name == format!("acme {role}") || name == format!("acme staging {role}") || name == "other admin"
        });
        own || ["acme preview viewer", "operator", "acme staging", "none"].contains(&name)
    };
    tokens(pair).into_iter().filter(|(name, ..)| wanted(name)).collect()
}

/// Where names are tried: an environment that the limited tokens see, one that they do not, one with
/// a `/` in its name, and another tenant's.
const PLACES: [Place; 4] = [
    Place { workspace: "acme", environment: "staging" },
    Place { workspace: "acme", environment: "production" },
    Place { workspace: "acme", environment: "preview/pr-42" },
    Place { workspace: "other", environment: "staging" },
];

#[tokio::test(flavor = "multi_thread")]
async fn no_other_spelling_of_a_name_reaches_anything() {
    let pair = Arc::new(Pair::start().await);
    let told = Arc::new(Told::of(&pair).await);
    let mut victims = Vec::new();
    for place in PLACES {
        set_probe(&pair, place).await;
        victims.push(pair.victim(place).await);
    }
    let before = everything(&pair).await;
    let mut tasks = Vec::new();
    for (name, token, who) in callers(&pair) {
        let (pair, told, victims) = (Arc::clone(&pair), Arc::clone(&told), victims.clone());
        tasks.push(tokio::spawn(async move { Asked { pair, told, victims, name, token, who }.all().await }));
    }
    let callers = tasks.len();
    let mut asked = 0;
    for task in tasks {
        asked += task.await.unwrap();
    }
    assert_eq!(everything(&pair).await, before, "something was changed");
    println!("{callers} callers spelt names of {} routes otherwise, {asked} times", ROUTES.len());
    assert!(asked > 20_000, "{asked}");
}

/// One caller with everything that is asked.
struct Asked {
    pair: Arc<Pair>,
    told: Arc<Told>,
    victims: Vec<String>,
    name: String,
    token: Option<String>,
    who: Who,
}

impl Asked {
    async fn all(self) -> usize {
        let mut asked = 0;
        for route in ROUTES {
            let mut client = Client::new(&self.pair, route.0, self.token.clone());
            for path in beside(route.2).into_iter().filter(|_| !route.2.contains('{')) {
                let answer = client.send(route.1, &path, String::new()).await;
                self.refused(route, PLACES[0], &path, &answer);
                asked += 1;
            }
            for (at, place) in PLACES.into_iter().enumerate() {
                asked += self.names(route, place, &self.victims[at], &mut client).await;
            }
        }
        asked
    }

    async fn names(&self, route: Route, place: Place, victim: &str, client: &mut Client) -> usize {
        let plain = Names::of(place, victim);
        let usual = request(&self.told, route, &plain);
        let mut asked = 0;
        for (_, named) in NAMED {
            let mut names = plain.clone();
            let name = named(&mut names).text.clone();
            for spelling in hostile(&name) {
                *named(&mut names) = spelling;
                let (path, body) = request(&self.told, route, &names);
                if (&path, &body) == (&usual.0, &usual.1) {
                    break; // this route does not name any
                }
                let answer = client.send(route.1, &path, body.clone()).await;
                self.refused(route, place, &format!("{path} {body}"), &answer);
                asked += 1;
            }
        }
        asked
    }

    /// There is no such thing; or, to who may not ask at all, just that.
    fn refused(&self, route: Route, place: Place, asked: &str, answer: &Answer) {
        let body = String::from_utf8_lossy(&answer.body);
        let case = format!("{}: {} {asked}: {} {body}", self.name, route.1, answer.status);
        assert!(answer.status >= 400, "{case}");
        let code = answer.code();
        let answered = self.who.may(route, place) == Outcome::Answered;
        let allowed: &[_] = if answered {
            &["not-found", "invalid"]
        } else {
            &["not-found", "invalid", "forbidden", "unauthenticated"]
        };
        // Whoever sees the workspace is told whose a thing is, however a confirmation is spelt.
        let is_told = is_resource(route.2) && self.who.is_of(place.workspace);
        let whose = is_told && code == "owned-by-directory";
        assert!(whose || allowed.contains(&code.as_str()), "{case}");
        for place in Pair::places() {
            for canary in self.pair.canaries(place) {
                assert!(!body.contains(&canary), "{canary} in {case}");
            }
        }
    }
}

/// All that can be changed by API, as an operator sees it.
async fn everything(pair: &Pair) -> Vec<Value> {
    let mut found = Vec::new();
    for workspace in ["acme", "other"] {
        for path in ["environments", "tokens", "snapshots", "env"] {
            let path = format!("/api/v1/{path}?workspace={workspace}");
            let mut list = pair.world.admin("GET", &path, &pair.world.operator, "").await.json();
            // A token that asks is used.
            for token in list["tokens"].as_array_mut().into_iter().flatten() {
                token["last_used"].take();
            }
            found.push(list);
        }
    }
    for place in Pair::places().filter(|place| place.environment != "development") {
        let names = Names::of(place, "");
        let path = "/api/v1/deployments/checkout/env";
        let path = format!("{path}?workspace={}&environment={}", names.workspace.url, names.environment.url);
        found.push(pair.world.admin("GET", &path, &pair.world.operator, "").await.json());
        let path =
            format!("/api/v1/environments/{}/env?workspace={}", names.environment.url, names.workspace.url);
        found.push(pair.world.admin("GET", &path, &pair.world.operator, "").await.json());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_percent_encoding_of_a_name_is_that_name() {
    let pair = Pair::start().await;
    let told = Told::of(&pair).await;
    let place = PLACES[2];
    let mut compared = 0;
    for route in ROUTES.into_iter().filter(|route| route.0 == Listener::Admin) {
        for (what, named) in NAMED {
            let mut both = Vec::new();
            for is_encoded in [false, true] {
                // Another token each time, and the same variable: what is deleted is there again.
                set_probe(&pair, place).await;
                let mut names = Names::of(place, &pair.victim(place).await);
                let plain = request(&told, route, &names);
                let spelling = named(&mut names);
                if is_encoded {
                    spelling.url = every_byte(&spelling.text);
                }
                let (path, body) = request(&told, route, &names);
                if is_encoded && path == plain.0 {
                    break; // this route does not name any
                }
                let mut client = Client::new(&pair, route.0, Some(pair.world.operator.clone()));
                both.push(client.send(route.1, &path, body).await);
            }
            let [plain, encoded] = &both[..] else { continue };
            let case = format!("{route:?} with its {what} encoded: {} {:?}", encoded.status, encoded.body);
            assert_eq!(encoded.status, plain.status, "{case}");
            // Tokens and bindings are new ones, and records and counts go on.
            let moves = ["tokens", "bindings", "audit", "usage"].iter().any(|part| route.2.contains(part));
            let revision = encoded.header("bootlace-revision") != plain.header("bootlace-revision");
            assert!(moves || revision || encoded.body == plain.body, "{case}, not {:?}", plain.body);
            compared += usize::from(plain.status < 300);
        }
    }
    assert!(compared > 15, "{compared}");
}
