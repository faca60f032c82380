// A secret result, decrypted by jose. `jwe.py` hands over the material.

import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import * as jose from 'jose';

import { Checks, refusal } from './cloud.mjs';

const { what, jwe, jwk, value } = JSON.parse(await text(process.stdin));
const checks = new Checks();
const allowed = { keyManagementAlgorithms: ['ECDH-ES'], contentEncryptionAlgorithms: ['A256GCM'] };

await checks.that(`${what}: jose reads the very value that the directory has`, async () => {
  const key = await jose.importJWK(jwk, 'ECDH-ES');
  const { plaintext, protectedHeader } = await jose.compactDecrypt(jwe, key, allowed);
  assert.equal(new TextDecoder().decode(plaintext), value);
  assert.equal(protectedHeader.cty, 'text/plain');
});

await checks.that(`${what}: jose does not open it with another key`, async () => {
  const { privateKey } = await jose.generateKeyPair('ECDH-ES', { crv: 'P-256' });
  const error = await refusal(() => jose.compactDecrypt(jwe, privateKey, allowed));
  assert.equal(error.code, 'ERR_JWE_DECRYPTION_FAILED');
});

checks.end();
