//! What only a bucket can do.

use master::blobs::{BlobError, Blobs, Bucket, BucketTarget};
use nix::sys::signal::Signal;
use tests::{S3, free_address, runtime};

use super::{InBucket, target};
use crate::suite::Subject as _;

fn refused(target: &BucketTarget) -> String {
    let bucket = Bucket::open(target).unwrap();
    let error = runtime().block_on(bucket.check()).unwrap_err();
    assert!(matches!(error, BlobError::Unusable { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn a_bucket_that_cannot_be_used_is_refused_and_it_is_said_what_to_do() {
    let subject = InBucket::new();
    let usable = subject.target("s3://code");
    runtime()
        .block_on(Bucket::open(&usable).unwrap().check())
        .unwrap();
    assert_eq!(
        subject.0.objects(),
        Vec::<String>::new(),
        "a check leaves nothing"
    );

    let missing = refused(&subject.target("s3://nowhere/a"));
    assert!(missing.contains("no such bucket"), "{missing}");
    let nobody = format!("http://{}", free_address());
    let silent = refused(&target(&nobody, "s3://code", &subject.0.credentials_file()));
    assert!(silent.contains("s3.endpoint"), "{silent}");
    subject.0.forget_everybody();
    let wrong = refused(&usable);
    assert!(wrong.contains("s3.credentials-file"), "{wrong}");

    let mut odd = usable;
    odd.credentials = odd.credentials.map(|(file, _)| (file, "other".to_owned()));
    let lacks = Bucket::open(&odd).err().unwrap().to_string();
    assert!(lacks.contains("aws_access_key_id under [other]"), "{lacks}");
    odd.credentials = Some(("/nowhere".into(), "default".to_owned()));
    let lacks = Bucket::open(&odd).err().unwrap();
    assert!(matches!(lacks, BlobError::File { .. }), "{lacks:?}");
}

#[test]
fn while_the_store_is_away_every_call_ends_and_later_all_is_well() {
    let mut subject = InBucket::new();
    let blobs: Blobs = subject.blobs();
    let digest = runtime().block_on(blobs.put("layer")).unwrap();
    subject.0.process.kill();
    runtime().block_on(async {
        assert!(blobs.size(&digest).await.is_err());
        assert!(blobs.read(&digest).await.is_err());
        assert!(blobs.put("other").await.is_err());
        assert!(blobs.older_than(std::time::Duration::ZERO).await.is_err());
    });
    subject.0.start_again();
    runtime().block_on(async {
        assert_eq!(blobs.size(&digest).await.unwrap(), None);
        assert_eq!(blobs.put("layer").await.unwrap(), digest);
        assert_eq!(blobs.bytes(&digest, 5).await.unwrap(), b"layer");
    });
}

#[test]
fn a_store_that_takes_requests_and_answers_none_costs_no_call_its_end() {
    let subject = InBucket::new();
    let blobs: Blobs = subject.blobs();
    let digest = runtime().block_on(blobs.put("layer")).unwrap();
    subject.0.process.signal(Signal::SIGSTOP);
    runtime().block_on(async {
        let (size, read) = tokio::join!(blobs.size(&digest), blobs.read(&digest));
        assert!(size.is_err());
        assert!(read.is_err());
    });
    subject.0.process.signal(Signal::SIGCONT);
    let found = runtime().block_on(blobs.bytes(&digest, 5)).unwrap();
    assert_eq!(found, b"layer");
}

#[test]
fn a_store_must_show_a_certificate_of_the_authority_that_is_named() {
    let subject = InBucket(S3::start_with_tls());
    let mut target = subject.target("s3://code");
    assert_eq!(target.endpoint.scheme(), "https");
    target.ca_file = Some(subject.0.ca_file());
    let blobs = Blobs::new(Bucket::open(&target).unwrap());
    let digest = runtime().block_on(blobs.put("layer")).unwrap();
    let found = runtime().block_on(blobs.bytes(&digest, 5)).unwrap();
    assert_eq!(found, b"layer");

    let other = S3::start_with_tls();
    target.ca_file = Some(other.ca_file());
    let strange = refused(&target);
    assert!(strange.contains("s3.ca-file"), "{strange}");
    target.ca_file = Some("/nowhere".into());
    let lacks = Bucket::open(&target).err().unwrap();
    assert!(matches!(lacks, BlobError::File { .. }), "{lacks:?}");
}
