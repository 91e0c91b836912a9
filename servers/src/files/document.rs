//! A file as it is served: in each coding that it lies there in, with heads prepared.
//!
//! Everything of one variant comes from one look at one file: its length, its tag, its date and its
//! bytes belong together, whatever happens on the disk meanwhile.

use std::sync::Arc;

use fsm_runtime::Bytes;
use http::StatusCode;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, VARY,
    X_CONTENT_TYPE_OPTIONS,
};

use super::listing::Listing;
use super::negotiation::{Coding, Codings};
use super::open_file::OpenFile;
use super::root::Meta;
use super::store::Weigh;
use super::validators::Validators;
use crate::http::{Field, Prepared};

/// What is found at a path.
pub enum Resource {
    /// A file.
    File(Document),
    /// A directory, and the path that was asked for lacks its slash.
    Directory,
    /// A directory without an index, and what is in it.
    Listing(Listing),
}

/// A file and the compressed ones beside it.
pub struct Document {
    /// At least the file itself, which is the first.
    variants: Vec<Variant>,
    /// The codings of the variants.
    codings: Codings,
    content_type: HeaderValue,
}

/// A file in one coding.
pub struct Variant {
    /// The coding.
    pub coding: Coding,
    /// The tag and the date.
    pub validators: Validators,
    /// The bytes, or where they are.
    pub content: Content,
    /// The fields of every response with any of its bytes.
    pub fields: Vec<Field>,
    /// The head of the response with all of them.
    pub whole: Prepared,
    /// The head of the response to a client that has them.
    pub not_modified: Prepared,
}

/// The bytes of a variant.
pub enum Content {
    /// In memory, shared with those whom they are being sent to.
    Held(Bytes),
    /// On the disk: too many to be kept.
    Open(Arc<OpenFile>, Meta),
}

impl Content {
    /// The bytes there are.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::Open(_, meta) => meta.size,
        }
    }
}

/// What is known of a variant before its heads are written.
pub struct Source {
    /// The coding.
    pub coding: Coding,
    /// The tag and the date.
    pub validators: Validators,
    /// The bytes, or where they are.
    pub content: Content,
}

impl Document {
    /// A file of this media type in the codings of `sources`, of which the first is the file
    /// itself. `policies` are said of it with every response, be it that the client has it.
    #[must_use]
    pub fn new(content_type: HeaderValue, policies: &[Field], sources: Vec<Source>) -> Self {
        let is_choice = sources.len() > 1;
        let prepare = |source| Variant::new(source, &content_type, policies, is_choice);
        let variants: Vec<_> = sources.into_iter().map(prepare).collect();
        let codings = variants.iter().map(|variant| variant.coding).collect();
        Self { variants, codings, content_type }
    }

    /// The media type of the file, whatever it is compressed with.
    #[must_use]
    pub fn content_type(&self) -> &HeaderValue {
        &self.content_type
    }

    /// The codings there are.
    #[must_use]
    pub fn codings(&self) -> Codings {
        self.codings
    }

    /// Tells whether it keeps a file open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.variants.iter().any(|variant| matches!(variant.content, Content::Open(..)))
    }

    /// The file in one of its codings.
    #[must_use]
    pub fn in_coding(&self, coding: Coding) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.coding == coding)
    }
}

impl Variant {
    fn new(
        Source { coding, validators, content }: Source,
        content_type: &HeaderValue,
        policies: &[Field],
        is_choice: bool,
    ) -> Self {
        // RFC 9110 15.4.5 names the fields of a 304; the others describe bytes that are not sent.
        let mut fields = vec![(ETAG, validators.tag().header_value())];
        fields.extend_from_slice(policies);
        if is_choice {
            fields.push((VARY, HeaderValue::from_static("Accept-Encoding")));
        }
        let not_modified = Prepared::new(StatusCode::NOT_MODIFIED, &fields, 0);
        fields.push((CONTENT_TYPE, content_type.clone()));
        fields.extend(coding.content_encoding().map(|value| (CONTENT_ENCODING, value)));
        fields.extend(validators.last_modified_value().map(|value| (LAST_MODIFIED, value)));
        fields.push((ACCEPT_RANGES, HeaderValue::from_static("bytes")));
        fields.push((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
        let whole = Prepared::new(StatusCode::OK, &fields, content.length());
        Self { coding, validators, content, fields, whole, not_modified }
    }
}

impl Resource {
    /// Tells whether it keeps a file open, which is read as it is sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::File(document) if document.is_open())
    }
}

impl Weigh for Resource {
    fn weight(&self) -> u64 {
        match self {
            Self::File(document) => document.variants.iter().map(Variant::weight).sum(),
            Self::Directory => 0,
            Self::Listing(Listing { entries, .. }) => {
                entries.iter().map(|entry| (size_of_val(entry) + entry.name.len()) as u64).sum()
            }
        }
    }
}

impl Variant {
    fn weight(&self) -> u64 {
        /// The two heads and the fields they were made of, as a bound: each is a handful of short
        /// lines, and a budget that leaves them out could be passed by many small files.
        const HEADS: u64 = 2048;
        let held = match &self.content {
            Content::Held(bytes) => bytes.len() as u64,
            // A descriptor is dearer than its memory. However large the cache, there are no more
            // of them than `OpenFile::are_too_many` lets be kept.
            Content::Open(..) => 64 * 1024,
        };
        HEADS + held
    }
}
