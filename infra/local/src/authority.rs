//! The certificate authority of the local cloud.
//!
//! Made at each start; its key signs one server certificate and is then forgotten, so whoever
//! finds the CA's certificate in a trust store later can do nothing with it. Name constraints
//! say the same to whoever verifies.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use tokio_rustls::rustls::{ServerConfig, crypto::aws_lc_rs, version};

use crate::{arm, cloud::Names, package};

/// How long the certificates are valid: longer than anyone leaves a local cloud running.
const LIFETIME: Duration = Duration::days(30);

/// The CA's certificate, and how its one server speaks TLS.
#[derive(Debug)]
pub struct Authority {
    /// The CA's certificate as PEM, for `SSL_CERT_FILE`.
    pub ca_pem: String,
    /// One certificate for all names; HTTP/2 and HTTP/1.1.
    pub server: Arc<ServerConfig>,
}

/// The host names that the cloud answers to on port 443.
#[must_use]
pub fn hosts(names: &Names) -> Vec<String> {
    let services = [
        &names.entra,
        &names.graph,
        &names.vault,
        &names.cosmos,
        &names.bus,
        &names.blobs,
        &names.anchors,
        &names.issuer,
    ];
    let mut hosts: Vec<String> = services.into_iter().cloned().collect();
    hosts.push(arm::HOST.to_owned());
    hosts.extend(package::APPS.map(package::host));
    hosts
}

impl Authority {
    /// Makes the CA and the server's certificate.
    ///
    /// # Errors
    ///
    /// If a host name cannot stand in a certificate, or the system gives no randomness.
    pub fn new(names: &Names) -> anyhow::Result<Self> {
        let mut subjects = hosts(names);
        subjects.push("localhost".to_owned());
        let now = OffsetDateTime::now_utc();

        let key = KeyPair::generate()?;
        let params = ca(&subjects, now);
        let certificate = params.self_signed(&key)?;
        let issuer = Issuer::new(params, key);

        subjects.push("127.0.0.1".to_owned());
        let (chain, key) = server(&issuer, subjects, now, certificate.der())?;
        Ok(Self { ca_pem: certificate.pem(), server: Arc::new(config(chain, key)?) })
    }
}

fn ca(subjects: &[String], now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Airlock local cloud");
    params.not_before = now - Duration::hours(1);
    params.not_after = now + LIFETIME;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: subjects.iter().cloned().map(GeneralSubtree::DnsName).collect(),
        excluded_subtrees: Vec::new(),
    });
    params
}

fn server(
    issuer: &Issuer<'_, KeyPair>,
    subjects: Vec<String>,
    now: OffsetDateTime,
    ca: &CertificateDer<'static>,
) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(subjects).context("a host name was not understood")?;
    params.distinguished_name.push(DnType::CommonName, "Airlock local cloud: server");
    params.not_before = now - Duration::hours(1);
    params.not_after = now + LIFETIME;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, issuer)?;
    let chain = vec![certificate.der().clone(), ca.clone()];
    Ok((chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> anyhow::Result<ServerConfig> {
    // The provider is named, because a process default can be set by any dependency.
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::{ServerName, pem::PemObject as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::{
        TlsAcceptor, TlsConnector,
        rustls::{ClientConfig, RootCertStore},
    };

    use super::*;
    use crate::entra::tests::names;

    async fn handshake(
        trusted: &Authority,
        met: &Authority,
        host: &str,
    ) -> std::io::Result<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(Arc::clone(&met.server));
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            acceptor.accept(stream).await.map(drop)
        });

        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted.ca_pem.as_bytes()).unwrap()).unwrap();
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let protocol = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
        drop(server);
        Ok(protocol)
    }

    #[tokio::test]
    async fn every_name_of_the_cloud_is_proved_to_whoever_trusts_its_ca() {
        let names = names();
        let authority = Authority::new(&names).unwrap();

        let local = ["localhost", "127.0.0.1"].map(str::to_owned);
        for host in hosts(&names).into_iter().chain(local) {
            assert_eq!(handshake(&authority, &authority, &host).await.unwrap(), b"h2", "{host}");
        }
    }

    #[tokio::test]
    async fn no_other_name_and_no_other_ca_is_proved() {
        let names = names();
        let authority = Authority::new(&names).unwrap();
        let another = Authority::new(&names).unwrap();

        assert!(handshake(&authority, &authority, "example.com").await.is_err());
        assert!(handshake(&authority, &another, &names.graph).await.is_err());
    }
}
