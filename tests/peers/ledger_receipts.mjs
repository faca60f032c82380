// Receipts, verified by Sigstore's own verifier: the signature under the checkpoint, and that the
// entry is in its tree. `ledger.py` hands over the material.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { text } from 'node:stream/consumers';
// Not part of what the package promises: it verifies such proofs only inside of its bundles.
import { verifyCheckpoint } from '@sigstore/verify/dist/tlog/checkpoint.js';
import { verifyMerkleInclusion } from '@sigstore/verify/dist/tlog/merkle.js';

import { Checks, refusal } from './cloud.mjs';

const { vkey, receipts } = JSON.parse(await text(process.stdin));
const checks = new Checks();

// C2SP signed-note: name, key id, and type 2 with the key.
const [baseURL, id, typed] = vkey.trim().split(/\+(.{8})\+/);
const spki = Buffer.from(typed, 'base64').subarray(1);
const logID = crypto.createHash('sha256').update(spki).digest();
assert.equal(logID.subarray(0, 4).toString('hex'), id);
const publicKey = crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' });
const log = { baseURL, logID, publicKey };

// C2SP tlog-proof: header, index, hashes, an empty line, the checkpoint.
function parsed(receipt) {
  const end = receipt.indexOf('\n\n');
  const [header, index, ...hashes] = receipt.slice(0, end).split('\n');
  assert.equal(header, 'c2sp.org/tlog-proof@v1');
  return {
    logIndex: index.replace(/^index /, ''),
    hashes: hashes.map((hash) => Buffer.from(hash, 'base64')),
    checkpoint: { envelope: receipt.slice(end + 2) },
  };
}

function verify(inclusionProof, entry) {
  const one = { inclusionProof, canonicalizedBody: Buffer.from(entry) };
  verifyMerkleInclusion(one, verifyCheckpoint(one, [log]));
}

const refused = async (proof, entry) =>
  assert.equal((await refusal(() => verify(proof, entry))).code, 'TLOG_INCLUSION_PROOF_ERROR');

const flipped = (buffer) => { const copy = Buffer.from(buffer); copy[9] ^= 1; return copy; };

await checks.that(`Sigstore's verifier accepts ${receipts.length} receipts`, async () => {
  for (const { receipt, entry } of receipts) verify(parsed(receipt), entry);
});

let tampered = 0;
await checks.that("Sigstore's verifier refuses each receipt with anything changed", async () => {
  for (const { receipt, entry } of receipts) {
    const good = parsed(receipt);
    const { hashes, checkpoint: { envelope }, logIndex } = good;
    await refused(good, `${entry}x`);
    await refused({ ...good, logIndex: String(BigInt(logIndex) + 1n) }, entry);
    await refused({ ...good, hashes: hashes.slice(1) }, entry);
    await refused({ ...good, hashes: [...hashes, hashes[0]] }, entry);
    for (const at of hashes.keys()) {
      await refused({ ...good, hashes: hashes.with?.(at, flipped(hashes[at])) ??
        hashes.map((hash, index) => (index === at ? flipped(hash) : hash)) }, entry);
    }
    const lines = envelope.split('\n');
    for (const line of [1, 2, 3, 4]) {
      const changed = [...lines];
      changed[line] = line === 2 ? flipped(Buffer.from(lines[2], 'base64')).toString('base64')
        : lines[line].replace(/\d+$/, (found) => String(Number(found) + 1));
      assert.notEqual(changed[line], lines[line]);
      await refused({ ...good, checkpoint: { envelope: changed.join('\n') } }, entry);
    }
    tampered += 8 + hashes.length;
  }
});
console.log(`note  ${tampered} tampered receipts`);

await checks.that("Sigstore's verifier refuses a receipt under another key", async () => {
  const { publicKey: other } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [{ receipt, entry }] = receipts;
  const one = { inclusionProof: parsed(receipt), canonicalizedBody: Buffer.from(entry) };
  const error = await refusal(() => verifyCheckpoint(one, [{ ...log, publicKey: other }]));
  assert.equal(error.code, 'TLOG_INCLUSION_PROOF_ERROR');
});

checks.end();
