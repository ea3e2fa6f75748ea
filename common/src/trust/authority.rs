use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use time::OffsetDateTime;

use super::{Error, Identity, write_atomic};
use crate::digest::Digest;

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
const DAY: u64 = 24 * 60 * 60;
const AUTHORITY_VALIDITY: Duration = Duration::from_secs(3650 * DAY);
const SERVER_VALIDITY: Duration = Duration::from_secs(365 * DAY);
/// Clocks of a cluster's machines may differ by so much.
const SKEW: Duration = Duration::from_secs(60 * 60);

/// The cluster's certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    digest: Digest,
}

impl Authority {
    /// The authority that stands in `directory`, made there when there is none.
    ///
    /// # Errors
    /// When its files cannot be read or written, or do not belong together.
    pub fn load_or_create(directory: &Path, now: Timestamp) -> Result<Self, Error> {
        let certificate = directory.join(CERTIFICATE);
        let key = directory.join(KEY);
        if certificate.exists() {
            let read = |path: &Path| {
                fs::read_to_string(path).map_err(|error| Error::file("read", path, error))
            };
            return Self::new(read(&certificate)?, &read(&key)?);
        }
        fs::create_dir_all(directory)
            .map_err(|error| Error::file("create directory", directory, error))?;
        let (pem, key_pem) = make(now)?;
        // The key first: a key without a certificate was never used and may be replaced.
        for (path, text, mode) in [(&key, &key_pem, 0o600), (&certificate, &pem, 0o644)] {
            write_atomic(path, text.as_bytes(), mode)
                .map_err(|error| Error::file("write", path, error))?;
        }
        Self::new(pem, &key_pem)
    }

    fn new(pem: String, key_pem: &str) -> Result<Self, Error> {
        let key = KeyPair::from_pem(key_pem)?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| Error::read("authority's certificate", error))?;
        let digest = Digest::of(&der);
        let certified = x509_parser::parse_x509_certificate(&der)
            .map_err(|error| Error::read("authority's certificate", error))?
            .1
            .tbs_certificate
            .subject_pki
            .raw
            .to_vec();
        if certified != key.subject_public_key_info() {
            return Err(Error::read(
                "authority",
                format!("{KEY} is not the key of {CERTIFICATE}; restore the pair from a backup"),
            ));
        }
        let issuer = Issuer::from_ca_cert_der(&der, key)?;
        Ok(Self {
            issuer,
            pem,
            digest,
        })
    }

    /// The authority's certificate.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.pem
    }

    /// Digest of the certificate's DER form, as join tokens carry it.
    #[must_use]
    pub fn ca_digest(&self) -> Digest {
        self.digest
    }

    /// An identity for a server that is reached by `names` (DNS names or IP addresses).
    ///
    /// # Errors
    /// When a name is neither.
    pub fn issue_server(&self, names: &[String], now: Timestamp) -> Result<Identity, Error> {
        let name = names.first().map_or("localhost", String::as_str);
        let mut params = leaf(name, &[super::MASTERS], names, SERVER_VALIDITY, now)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// An identity for somebody who calls servers.
    ///
    /// # Errors
    /// When the subject cannot be written into a certificate.
    pub fn issue_client(
        &self,
        cn: &str,
        orgs: &[&str],
        validity: Duration,
        now: Timestamp,
    ) -> Result<Identity, Error> {
        let mut params = leaf(cn, orgs, &[], validity, now)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// Certifies the key of a request, for both ends of a connection. Nothing but the key is taken
    /// from the request: who asks does not choose who it is.
    ///
    /// # Errors
    /// When the request is not one, is not signed with its own key, or a name cannot be written.
    pub fn sign_csr(
        &self,
        csr_pem: &str,
        cn: &str,
        orgs: &[&str],
        sans: &[String],
        validity: Duration,
        now: Timestamp,
    ) -> Result<String, Error> {
        let request = CertificateSigningRequestParams::from_pem(csr_pem)?;
        let mut params = leaf(cn, orgs, sans, validity, now)?;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        self.chain(params, &request.public_key, now)
    }

    fn issue(&self, params: CertificateParams) -> Result<Identity, Error> {
        let key = KeyPair::generate()?;
        let made = Timestamp::from_second(params.not_before.unix_timestamp())
            .map_err(|error| Error::read("time", error))?;
        Ok(Identity {
            cert_pem: self.chain(params, &key, made)?,
            key_pem: key.serialize_pem(),
        })
    }

    fn chain(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        now: Timestamp,
    ) -> Result<String, Error> {
        // A key certified again gets another number.
        let mut seed = key.der_bytes().to_vec();
        seed.extend(now.as_nanosecond().to_be_bytes());
        let mut serial = Digest::of(&seed).bytes()[..16].to_vec();
        serial[0] &= 0x7f;
        params.serial_number = Some(SerialNumber::from(serial));
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(key, &self.issuer)?.pem() + &self.pem)
    }
}

fn make(now: Timestamp) -> Result<(String, String), Error> {
    let key = KeyPair::generate()?;
    let id = &Digest::of(key.der_bytes()).hex()[..8];
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(&format!("troupe-ca-{id}"), &[])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = period(now, AUTHORITY_VALIDITY)?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn leaf(
    cn: &str,
    orgs: &[&str],
    sans: &[String],
    validity: Duration,
    now: Timestamp,
) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(sans)?;
    params.distinguished_name = subject(cn, orgs)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    (params.not_before, params.not_after) = period(now, validity)?;
    Ok(params)
}

fn subject(cn: &str, orgs: &[&str]) -> Result<DistinguishedName, Error> {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, cn);
    match orgs {
        [] => {}
        [org] => name.push(DnType::OrganizationName, *org),
        _ => return Err(Error::read("subject", "more than one organization")),
    }
    Ok(name)
}

fn period(now: Timestamp, validity: Duration) -> Result<(OffsetDateTime, OffsetDateTime), Error> {
    let at = |timestamp: Timestamp| {
        OffsetDateTime::from_unix_timestamp(timestamp.as_second())
            .map_err(|error| Error::read("time", error))
    };
    let add = |by: Duration| {
        now.checked_add(by)
            .map_err(|error| Error::read("time", error))
    };
    let sub = |by: Duration| {
        now.checked_sub(by)
            .map_err(|error| Error::read("time", error))
    };
    Ok((at(sub(SKEW)?)?, at(add(validity)?)?))
}
