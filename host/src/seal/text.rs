//! `sealed:1:<base64url>`: a value sealed to an environment's public key, so that people without
//! production's keys can add production secrets. HPKE (RFC 9180), base mode, DHKEM(X25519,
//! HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305; the bytes are
//! `public key id[8] | enc[32] | ciphertext | tag[16]`.

use std::{convert::Infallible, fmt, str::FromStr};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::{AeadTag, ChaCha20Poly1305},
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    rand_core::{TryCryptoRng, TryRng},
};
use zeroize::Zeroizing;

use super::{Buffer, MAX_VALUE_BYTES, OpenError, OpenReason, SealError, key_id, padding, with_place};
use crate::{
    entropy::Entropy,
    fields::{Reader, Writer},
    model::{Address, KeyId, SealedText},
    secret::Secret,
};

const PREFIX: &str = "sealed:1:";
const PUBLIC_PREFIX: &str = "bootlace-environment:1:";
const FORMAT: u16 = 1;
const INFO: &[u8] = b"bootlace sealed text 1";
/// The longest text: a value of the greatest length, framed, in base64.
const MAX_TEXT_BYTES: usize = (MAX_VALUE_BYTES + 8192) / 3 * 4;

/// An environment's X25519 public key: what `sealed:…` texts are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvironmentPublicKey(pub [u8; 32]);

/// An environment's X25519 private key: only a host that holds the root key has it. Opens
/// `sealed:…` texts and nothing else.
pub struct EnvironmentPrivateKey(Zeroizing<[u8; 32]>);

impl EnvironmentPublicKey {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        key_id("bootlace environment key 1", &self.0)
    }
}

impl EnvironmentPrivateKey {
    /// A key pair's private half, derived from 32 random bytes (RFC 9180, section 7.1.3).
    #[must_use]
    pub fn generate(entropy: &mut Entropy<'_>) -> Self {
        let seed = crate::entropy::fresh_key(entropy);
        let (private, _) = X25519HkdfSha256::derive_keypair(&*seed);
        let mut bytes = Zeroizing::new([0; 32]);
        private.write_exact(&mut *bytes);
        Self(bytes)
    }

    /// The other half.
    #[must_use]
    pub fn public(&self) -> EnvironmentPublicKey {
        EnvironmentPublicKey(X25519HkdfSha256::sk_to_pk(&self.private()).to_bytes().into())
    }

    pub(crate) fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// For wrapping.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    fn private(&self) -> <X25519HkdfSha256 as Kem>::PrivateKey {
        Deserializable::from_bytes(&*self.0).expect("an X25519 private key is any 32 bytes")
    }
}

/// The text is not `bootlace-environment:1:` and 32 bytes in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an environment's public key; expected {PUBLIC_PREFIX} and 32 bytes in base64")]
pub struct InvalidPublicKey;

impl FromStr for EnvironmentPublicKey {
    type Err = InvalidPublicKey;
    fn from_str(text: &str) -> Result<Self, InvalidPublicKey> {
        let encoded = text.strip_prefix(PUBLIC_PREFIX).ok_or(InvalidPublicKey)?;
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| InvalidPublicKey)?;
        bytes.try_into().map(Self).map_err(|_| InvalidPublicKey)
    }
}

impl fmt::Display for EnvironmentPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", BASE64_STANDARD.encode(self.0))
    }
}

/// Seals `plaintext` for `address` to an environment's public key.
///
/// # Errors
/// When the value or its name is too long, or the public key is a point of low order.
pub fn seal_text(
    public: &EnvironmentPublicKey,
    address: &Address,
    plaintext: &[u8],
    entropy: &mut Entropy<'_>,
) -> Result<SealedText, SealError> {
    if plaintext.len() > MAX_VALUE_BYTES {
        return Err(SealError::ValueTooLong { name: address.name.clone() });
    }
    let associated = associated_data(public, address).ok_or(SealError::NameTooLong)?;
    let unusable = || SealError::UnusablePublicKey { name: address.name.clone() };
    let recipient = Deserializable::from_bytes(&public.0).map_err(|_| unusable())?;
    let mut framed = Vec::with_capacity(padding::framed_len(plaintext.len()));
    padding::frame(plaintext, &mut framed);
    let (encapsulated, tag) =
        hpke::single_shot_seal_inout_detached_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &recipient,
            INFO,
            framed.as_mut_slice().into(),
            &associated,
            &mut Source(entropy),
        )
        .map_err(|_| unusable())?;
    let bytes = Writer::new()
        .raw(&public.id().0)
        .raw(&encapsulated.to_bytes())
        .raw(&framed)
        .raw(&tag.to_bytes())
        .finish();
    Ok(SealedText(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)).into()))
}

/// Opens a `sealed:…` text that stands at `address`.
///
/// # Errors
/// When it is malformed, for another key, changed, or from another address.
pub fn open_text(
    private: &EnvironmentPrivateKey,
    address: &Address,
    text: &SealedText,
) -> Result<Secret, OpenError> {
    open_parts(private, address, text).map_err(|reason| OpenError { name: address.name.clone(), reason })
}

fn open_parts(
    private: &EnvironmentPrivateKey,
    address: &Address,
    text: &SealedText,
) -> Result<Secret, OpenReason> {
    let bytes = decode(text)?;
    let mut reader = Reader::new(&bytes);
    let wanted = KeyId(reader.array().map_err(|_| OpenReason::Malformed)?);
    let encapsulated = reader.raw(32).map_err(|_| OpenReason::Malformed)?;
    let (ciphertext, tag) = reader.rest().split_last_chunk::<16>().ok_or(OpenReason::Malformed)?;
    let public = private.public();
    if wanted != public.id() {
        return Err(OpenReason::OtherKey { wanted, epoch: 0 });
    }
    let associated = associated_data(&public, address).ok_or(OpenReason::Refused)?;
    let encapsulated = Deserializable::from_bytes(encapsulated).map_err(|_| OpenReason::Malformed)?;
    let tag = AeadTag::<ChaCha20Poly1305>::from_bytes(tag).map_err(|_| OpenReason::Malformed)?;
    let mut buffer = Buffer::with_capacity(ciphertext.len());
    buffer.push(ciphertext).map_err(|_| OpenReason::NoRoom)?;
    hpke::single_shot_open_inout_detached::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &private.private(),
        &encapsulated,
        INFO,
        buffer.tail(0).into(),
        &associated,
        &tag,
    )
    .map_err(|_| OpenReason::Refused)?;
    let at = padding::unframe(buffer.tail(0)).ok_or(OpenReason::Refused)?;
    Ok(Secret::new(buffer.expose(at).to_vec()))
}

fn decode(text: &SealedText) -> Result<Vec<u8>, OpenReason> {
    let encoded = text.0.strip_prefix(PREFIX).filter(|encoded| encoded.len() <= MAX_TEXT_BYTES);
    BASE64_URL_SAFE_NO_PAD.decode(encoded.ok_or(OpenReason::Malformed)?).map_err(|_| OpenReason::Malformed)
}

/// `"BLACE-TEXT" | format | kind | public key id | workspace | environment | deployment | version |
/// name`.
fn associated_data(public: &EnvironmentPublicKey, address: &Address) -> Option<Vec<u8>> {
    let head = Writer::new().raw(b"BLACE-TEXT").u16(FORMAT).u8(address.kind as u8);
    with_place(head.raw(&public.id().0), address)
}

/// Our source of randomness as HPKE wants it.
struct Source<'a, 'b>(&'a mut Entropy<'b>);

impl TryRng for Source<'_, '_> {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(crate::entropy::fresh(self.0)))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(crate::entropy::fresh(self.0)))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        (self.0)(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Source<'_, '_> {}
