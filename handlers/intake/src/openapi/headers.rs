//! Headers that a caller may send, besides those by which they say who they are.

use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use crate::requests::KEY_BYTES;

macro_rules! headers {
    ($($(#[doc = $doc:literal])+ $type:ident $name:literal = $form:expr;)+) => {$(
        $(#[doc = $doc])+
        pub enum $type {}

        impl IntoParams for $type {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                let header = ParameterBuilder::new()
                    .name($name)
                    .parameter_in(ParameterIn::Header)
                    .required(Required::False)
                    .description(Some(concat!($($doc),+).trim()))
                    .schema(Some($form.schema_type(Type::String)));
                vec![header.build()]
            }
        }
    )+};
}

headers! {
    /// Names a submission to its caller: 1 to 100 bytes of visible ASCII, with blanks inside.
    IdempotencyKey "Idempotency-Key" = ObjectBuilder::new()
        .pattern(Some(format!("^[!-~]([ -~]{{0,{}}}[!-~])?$", KEY_BYTES - 2)));
    /// The caller's trace: W3C Trace Context, version 00. One that is not well formed is ignored.
    Traceparent "traceparent" = ObjectBuilder::new()
        .examples(["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]);
    /// `ETag`s of copies that are kept.
    IfNoneMatch "If-None-Match" = ObjectBuilder::new();
}
