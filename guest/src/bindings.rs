//! What `wit-bindgen` makes of the contract.
//!
//! A world for each interface, not the contract's two worlds: both of those export `lifecycle`,
//! which would be generated twice. A component is described by the union of the worlds whose macros
//! it calls, and is then exactly one of the contract's.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated: the contract's text is documented in wit/policy.wit"
)]
#![allow(unsafe_code, reason = "generated: lifting and lowering of the canonical ABI")]

/// Exported by every policy; the imports are generated here once for all three.
pub mod lifecycle {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package bootlace:guest;
            world lifecycle {
                import bootlace:policy/log@0.1.0;
                export bootlace:policy/lifecycle@0.1.0;
            }",
        pub_export_macro: true,
        export_macro_name: "export_lifecycle",
        additional_derives: [PartialEq],
        disable_run_ctors_once_workaround: true,
        generate_all,
    });
}

pub mod resolve {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package bootlace:guest;
            world resolve { export bootlace:policy/resolve@0.1.0; }",
        pub_export_macro: true,
        export_macro_name: "export_resolve",
        additional_derives: [PartialEq],
        disable_run_ctors_once_workaround: true,
        with: {
            "bootlace:policy/types@0.1.0": crate::bindings::lifecycle::bootlace::policy::types,
        },
        generate_all,
    });
}

pub mod promotion {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package bootlace:guest;
            world promotion { export bootlace:policy/promotion@0.1.0; }",
        pub_export_macro: true,
        export_macro_name: "export_promotion",
        additional_derives: [PartialEq],
        disable_run_ctors_once_workaround: true,
        with: {
            "bootlace:policy/types@0.1.0": crate::bindings::lifecycle::bootlace::policy::types,
        },
        generate_all,
    });
}
