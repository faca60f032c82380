//! Crashes, lost answers and ports that do not help: the tree is sealed in the end, and never
//! refused.

use super::{Book, CONTOSO, FABRIKAM};
use crate::{ledger::published, memory::Fault};

#[tokio::test]
async fn a_process_that_dies_before_the_anchor_leaves_tiles_that_the_next_one_writes_again() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    book.world.anchors.next_creations([Fault::Fails]);

    assert_eq!(book.round().await.failed, 1);
    assert_eq!(book.anchors(&contoso), 1);
    let tiles = book.world.blobs.names(published::CONTAINER);
    let round = book.world.seal().await;

    assert_eq!((round.sealed, round.refused, round.failed), (1, 0, 0));
    assert_eq!(book.sealed(&contoso).await.checkpoint.size, book.size(&contoso));
    let name = |name: &&String| name.contains("/tile/0/");
    let after = book.world.blobs.names(published::CONTAINER);
    assert_eq!(after.iter().filter(name).count(), tiles.iter().filter(name).count());
}

#[tokio::test]
async fn an_anchor_whose_answer_was_lost_is_found() {
    for fault in [Fault::LosesAnswer, Fault::Repeats] {
        let book = Book::half_sealed().await;
        let contoso = book.contoso().await;
        book.world.anchors.next_creations([fault]);

        book.round().await;
        book.write(CONTOSO, 1).await;
        let rounds = [book.round().await, book.round().await, book.round().await];

        assert!(rounds.iter().all(|round| round.refused + round.failed == 0), "{rounds:?}");
        let sealed = book.sealed(&contoso).await.checkpoint;
        assert_eq!(sealed.size, book.size(&contoso), "{fault:?}");
        assert_eq!(sealed.seal.number, book.anchors(&contoso) as u64, "{fault:?}");
    }
}

/// Whatever read fails, of whichever port, nothing is refused; and once they work, all is sealed.
#[tokio::test]
async fn no_port_that_fails_is_a_reason_to_refuse() {
    for fresh in [false, true] {
        for position in 0..20 {
            for port in 0..4 {
                let book = Book::half_sealed().await;
                let contoso = book.contoso().await;
                let mut faults = vec![Fault::None; position];
                faults.push(Fault::Fails);
                match port {
                    0 => book.world.documents.next_reads(faults),
                    1 => book.world.anchors.next_reads(faults),
                    2 => book.world.blobs.next_reads(faults),
                    _ => book.world.blobs.next_creations(faults),
                }
                let drift = if fresh { &book.world.drift() } else { &book.drift };

                let mut rounds = 0;
                loop {
                    let round = drift.round().await.unwrap_or_default();
                    assert_eq!(round.refused, 0, "{port} {position}");
                    rounds += 1;
                    book.world.clock.advance_s(30);
                    if rounds > 4 && round.idle == 3 {
                        break;
                    }
                    assert!(rounds < 20, "{port} {position}: {round:?}");
                }
                book.world.documents.read_again();
                book.world.anchors.read_again();
                book.world.blobs.read_again();
                let size = book.size(&contoso);
                assert_eq!(book.sealed(&contoso).await.checkpoint.size, size);
            }
        }
    }
}

#[tokio::test]
async fn one_tenants_trouble_keeps_none_of_the_others_waiting() {
    let book = Book::half_sealed().await;
    let fabrikam = book.partition(FABRIKAM).await;
    book.write(FABRIKAM, 2).await;
    let contoso = book.contoso().await;
    book.world.documents.overwrite(&contoso, "head", serde_json::json!({ "id": "head" }));

    let round = book.round().await;

    assert_eq!((round.sealed, round.refused), (1, 1));
    assert_eq!(book.sealed(&fabrikam).await.checkpoint.size, book.size(&fabrikam));
}
