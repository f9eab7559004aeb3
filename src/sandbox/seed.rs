//! Where the example organisation is seeded from; the creation primitives are [`super::Sandbox`]'s own.
