//! From a checked machine to Rust: what one would have written by hand, in table order.
//!
//! One function per generated item. It takes only what `check` let through and reports nothing.

mod budget;
mod completion;
mod connection;
mod dispatch;
mod docs;
mod effect;
mod hollow;
mod names;
mod outcome;
mod plain;
mod switch;
mod table;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::Type;

use crate::check::Checked;
use names::StateNames;

/// Everything the derive adds to the enum.
pub(crate) fn expand(checked: &Checked<'_>) -> TokenStream {
    let cx = Cx::new(checked);
    let outcomes = outcome::enums(&cx);
    let private = private(checked);
    quote! {
        #outcomes
        #private
    }
}

/// The outcome enums alone, for the stand-in after errors.
pub(crate) fn outcomes(checked: &Checked<'_>) -> TokenStream {
    outcome::enums(&Cx::new(checked))
}

/// All that nobody names from outside, in one block: so it works inside functions, and several
/// machines live in one module.
pub(crate) fn private(checked: &Checked<'_>) -> TokenStream {
    let cx = &Cx::new(checked);
    let implementation =
        if cx.is_plain() { plain::implementation(cx) } else { connection::implementation(cx) };
    let functions = dispatch::functions(cx);
    let budget = budget::assertions(cx);
    let completion = completion::function(cx);
    let lonely = (cx.checked.states.len() == 1).then(|| quote!(, irrefutable_let_patterns));
    quote! {
        #[allow(unexpected_cfgs #lonely)]
        const _: () = {
            #implementation
            #functions
            #budget
            #completion
        };
    }
}

/// A machine that compiles and does nothing, for the stand-in after errors.
pub(crate) fn hollow(checked: &Checked<'_>) -> TokenStream {
    hollow::block(&Cx::new(checked))
}

/// What every generating function needs to know.
pub(crate) struct Cx<'c, 'm> {
    pub(crate) checked: &'c Checked<'m>,
    /// The path of the runtime crate.
    pub(crate) runtime: TokenStream,
    /// The names of the functions of each state.
    names: Vec<StateNames>,
}

impl<'c, 'm> Cx<'c, 'm> {
    pub(crate) fn new(checked: &'c Checked<'m>) -> Self {
        let runtime = match &checked.machine.options.runtime {
            Some(path) => path.to_token_stream(),
            None => quote!(::fsm_runtime),
        };
        let names = names::of_states(checked.machine);
        Self { checked, runtime, names }
    }

    fn is_plain(&self) -> bool {
        self.checked.machine.options.plain.is_some()
    }

    /// The machine's type with its generic arguments.
    fn machine_type(&self) -> TokenStream {
        let name = self.machine_name(Span::call_site());
        let (_, arguments, _) = self.checked.machine.generics.split_for_impl();
        quote!(#name #arguments)
    }

    /// The machine's name without arguments, seen at `at` when something is wrong.
    fn machine_name(&self, at: Span) -> Ident {
        located(&self.checked.machine.name, at)
    }

    /// The context's type, or `()` where it is missing.
    fn context_type(&self) -> TokenStream {
        or_default(self.checked.machine.options.context.as_ref(), || quote!(()))
    }

    fn error_type(&self) -> TokenStream {
        let default = if self.is_plain() {
            quote!(::core::convert::Infallible)
        } else {
            quote!(::std::io::Error)
        };
        or_default(self.checked.machine.options.error.as_ref(), || default)
    }

    /// The alphabet that a state's inputs come from.
    fn alphabet(&self, state: usize) -> Option<&'m Type> {
        let own = self.checked.states[state].syntax.decode.as_ref();
        own.map(|decode| &decode.alphabet).or(self.checked.machine.options.input.as_ref())
    }

    /// A state's variant by its name alone, such as `Echo::Closed`.
    fn state_path(&self, state: usize) -> TokenStream {
        let machine = self.machine_name(Span::call_site());
        let name = &self.checked.states[state].syntax.name;
        let name = located(name, Span::call_site());
        quote!(#machine::#name)
    }

    /// The same inside an `impl`, such as `Self::Closed`.
    fn self_path(&self, state: usize) -> TokenStream {
        let name = located(&self.checked.states[state].syntax.name, Span::call_site());
        quote!(Self::#name)
    }

    /// A pattern for a state whatever its fields hold.
    fn state_pattern(&self, state: usize) -> TokenStream {
        let path = self.self_path(state);
        let has_data = !self.checked.states[state].syntax.fields.is_empty();
        if has_data { quote!(#path { .. }) } else { path }
    }
}

fn or_default(given: Option<&Type>, default: impl FnOnce() -> TokenStream) -> TokenStream {
    given.map_or_else(default, quote::ToTokens::to_token_stream)
}

/// The same name, meaning the same, but shown at another place.
fn located(name: &Ident, at: Span) -> Ident {
    let mut name = name.clone();
    name.set_span(name.span().located_at(at));
    name
}

/// The name with another token's span: it is that token, spelled right.
fn spanned(name: &Ident, span: Span) -> Ident {
    let mut name = name.clone();
    name.set_span(span);
    name
}

/// A local of the generated functions, which no name of the user's can be confused with.
fn local(name: &str, at: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(at))
}
