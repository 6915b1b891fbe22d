//! The routes of both listeners, as a table, and what keeps it whole.

pub(super) type Route = (Listener, &'static str, &'static str);

/// Every route: the listener, the method, and the path as its router has it. A route that is not
/// here fails [`every_route_has_its_row`].
pub(super) const ROUTES: [Route; 103] = [
    (Listener::Boot, "GET", "/v1/boot"),
    (Listener::Boot, "POST", "/v1/boot"),
    (Listener::Boot, "GET", "/livez"),
    (Listener::Boot, "GET", "/readyz"),
    (Listener::Admin, "PUT", "/api/v1/snapshot"),
    (Listener::Admin, "GET", "/api/v1/snapshot"),
    (Listener::Admin, "GET", "/api/v1/snapshot/bundle"),
    (Listener::Admin, "GET", "/api/v1/snapshot/plans"),
    (Listener::Admin, "POST", "/api/v1/snapshot/rollback"),
    (Listener::Admin, "GET", "/api/v1/snapshots"),
    (Listener::Admin, "GET", "/api/v1/workspaces"),
    (Listener::Admin, "POST", "/api/v1/workspaces"),
    (Listener::Admin, "GET", "/api/v1/deployments"),
    (Listener::Admin, "POST", "/api/v1/deployments"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}"),
    (Listener::Admin, "PATCH", "/api/v1/deployments/{id}"),
    (Listener::Admin, "DELETE", "/api/v1/deployments/{id}"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/bindings"),
    (Listener::Admin, "POST", "/api/v1/deployments/{id}/bindings"),
    (Listener::Admin, "DELETE", "/api/v1/deployments/{id}/bindings/{binding}"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/domains"),
    (Listener::Admin, "PUT", "/api/v1/deployments/{id}/domains"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/namespaces"),
    (Listener::Admin, "PUT", "/api/v1/deployments/{id}/namespaces"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/tools"),
    (Listener::Admin, "PUT", "/api/v1/deployments/{id}/tools"),
    (Listener::Admin, "GET", "/api/v1/services"),
    (Listener::Admin, "POST", "/api/v1/services"),
    (Listener::Admin, "GET", "/api/v1/services/{id}"),
    (Listener::Admin, "PATCH", "/api/v1/services/{id}"),
    (Listener::Admin, "DELETE", "/api/v1/services/{id}"),
    (Listener::Admin, "GET", "/api/v1/services/{id}/holders"),
    (Listener::Admin, "DELETE", "/api/v1/services/{id}/unproven"),
    (Listener::Admin, "GET", "/api/v1/rotations"),
    (Listener::Admin, "GET", "/api/v1/tools"),
    (Listener::Admin, "POST", "/api/v1/tools"),
    (Listener::Admin, "GET", "/api/v1/tools/{id}"),
    (Listener::Admin, "PATCH", "/api/v1/tools/{id}"),
    (Listener::Admin, "DELETE", "/api/v1/tools/{id}"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/explain"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/diff"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/parity"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/env"),
    (Listener::Admin, "POST", "/api/v1/deployments/{id}/env"),
    (Listener::Admin, "DELETE", "/api/v1/deployments/{id}/env/{name}"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/env/{name}/versions"),
    (Listener::Admin, "GET", "/api/v1/environments"),
    (Listener::Admin, "POST", "/api/v1/environments"),
    (Listener::Admin, "GET", "/api/v1/environments/{env}"),
    (Listener::Admin, "PATCH", "/api/v1/environments/{env}"),
    (Listener::Admin, "DELETE", "/api/v1/environments/{env}"),
    (Listener::Admin, "GET", "/api/v1/policies"),
    (Listener::Admin, "GET", "/api/v1/policies/{name}"),
    (Listener::Admin, "PUT", "/api/v1/policies/{name}"),
    (Listener::Admin, "DELETE", "/api/v1/policies/{name}"),
    (Listener::Admin, "GET", "/api/v1/attachments"),
    (Listener::Admin, "POST", "/api/v1/attachments"),
    (Listener::Admin, "GET", "/api/v1/attachments/{id}"),
    (Listener::Admin, "PUT", "/api/v1/attachments/{id}"),
    (Listener::Admin, "DELETE", "/api/v1/attachments/{id}"),
    (Listener::Admin, "POST", "/api/v1/environments/{env}/clone"),
    (Listener::Admin, "GET", "/api/v1/tokens"),
    (Listener::Admin, "POST", "/api/v1/tokens"),
    (Listener::Admin, "DELETE", "/api/v1/tokens/{id}"),
    (Listener::Admin, "GET", "/api/v1/drift"),
    (Listener::Admin, "GET", "/api/v1/audit"),
    (Listener::Admin, "GET", "/api/v1/usage"),
    (Listener::Admin, "GET", "/api/v1/export"),
    (Listener::Admin, "PUT", "/api/v1/import"),
    (Listener::Admin, "GET", "/openapi.json"),
    (Listener::Admin, "GET", "/metrics"),
    (Listener::Admin, "GET", "/livez"),
    (Listener::Admin, "GET", "/readyz"),
    (Listener::Admin, "GET", "/api/v1/env"),
    (Listener::Admin, "POST", "/api/v1/env"),
    (Listener::Admin, "DELETE", "/api/v1/env/{name}"),
    (Listener::Admin, "GET", "/api/v1/env/{name}/versions"),
    (Listener::Admin, "GET", "/api/v1/environments/{env}/env"),
    (Listener::Admin, "POST", "/api/v1/environments/{env}/env"),
    (Listener::Admin, "DELETE", "/api/v1/environments/{env}/env/{name}"),
    (Listener::Admin, "GET", "/api/v1/environments/{env}/env/{name}/versions"),
    (Listener::Admin, "POST", "/api/v1/deployments/{id}/env/{name}/versions/{version}/revoke"),
    (Listener::Admin, "POST", "/api/v1/env/{name}/versions/{version}/revoke"),
    (Listener::Admin, "POST", "/api/v1/environments/{env}/env/{name}/versions/{version}/revoke"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/activations"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/releases"),
    (Listener::Admin, "POST", "/api/v1/deployments/{id}/releases"),
    (Listener::Admin, "POST", "/api/v1/deployments/{id}/rollback"),
    (Listener::Admin, "POST", "/api/v1/deployments/{id}/unpin"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/what-if"),
    (Listener::Admin, "POST", "/api/v1/deployments/{id}/what-if"),
    (Listener::Boot, "POST", "/v1/lease/{id}"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/leases"),
    (Listener::Admin, "DELETE", "/api/v1/deployments/{id}/leases/{lease}"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/checks"),
    (Listener::Admin, "POST", "/api/v1/deployments/{id}/checks"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/promotions"),
    (Listener::Admin, "POST", "/api/v1/deployments/{id}/promotions"),
    (Listener::Admin, "GET", "/api/v1/deployments/{id}/promotions/{promotion}"),
    (Listener::Admin, "DELETE", "/api/v1/deployments/{id}/promotions/{promotion}"),
    (Listener::Admin, "POST", "/api/v1/deployments/{id}/promotions/{promotion}/approvals"),
    (Listener::Admin, "GET", "/api/v1/pipeline"),
    (Listener::Admin, "GET", "/api/v1/nowhere"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    Boot,
    Admin,
}

/// The routes of deployments, services and tools.
pub(super) fn is_resource(path: &str) -> bool {
    let of_deployment = ["", "/{id}", "/{id}/domains", "/{id}/namespaces", "/{id}/tools"];
    let deployment = path.strip_prefix("/api/v1/deployments");
    deployment.is_some_and(|rest| of_deployment.contains(&rest) || rest.starts_with("/{id}/bindings"))
        || path.starts_with("/api/v1/services")
        || path.starts_with("/api/v1/tools")
}

/// What the routers have, read off the source.
pub(crate) fn routes_of_the_code() -> Vec<(Listener, String, String)> {
    let source = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let mut found = Vec::new();
    for part in source("admin.rs").split(".route(").skip(1) {
        let path = part.split('"').nth(1).unwrap().to_owned();
        let handlers = part.split(".route").next().unwrap().split(".method_not").next().unwrap();
        for method in ["get", "put", "post", "delete", "patch"] {
            if handlers.contains(&format!("{method}(")) {
                found.push((Listener::Admin, method.to_uppercase(), path.clone()));
            }
        }
    }
    for arm in source("serve.rs").lines().filter(|line| line.trim_start().starts_with("(&Method::")) {
        let path = arm.split('"').nth(1).unwrap();
        // A prefix, which one name follows.
        let path = if path.ends_with('/') { format!("{path}{{id}}") } else { path.to_owned() };
        for method in arm.split("Method::").skip(1) {
            let method: String = method.chars().take_while(char::is_ascii_uppercase).collect();
            found.push((Listener::Boot, method, path.clone()));
        }
    }
    found
}

#[test]
fn every_route_has_its_row() {
    let mut found = routes_of_the_code();
    let mut rows: Vec<_> = ROUTES.map(|(l, method, path)| (l, method.to_owned(), path.to_owned())).into();
    rows.retain(|(_, _, path)| path != "/api/v1/nowhere");
    let key = |row: &(Listener, String, String)| format!("{row:?}");
    found.sort_by_key(key);
    rows.sort_by_key(key);
    assert_eq!(found, rows);
}
