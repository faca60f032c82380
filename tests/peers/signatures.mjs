// Signed artefacts, verified by jose, and refused when anything about them is changed.
// `signatures.py` hands over the material.

import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import * as jose from 'jose';

import { Checks, refusal } from './cloud.mjs';

const material = JSON.parse(await text(process.stdin));
const kinds = Map.groupBy?.(material, ({ typ }) => typ) ?? grouped(material);
const checks = new Checks();

// Node 20 has no Map.groupBy.
function grouped(all) {
  const kinds = new Map();
  for (const one of all) kinds.set(one.typ, [...(kinds.get(one.typ) ?? []), one]);
  return kinds;
}

// Some of it may have expired; what is judged here is who signed it.
const demands = (typ) => ({ typ, algorithms: ['ES256'], currentDate: new Date(0), clockTolerance: 1e10 });
const verify = async (jws, jwk, typ) =>
  jose.jwtVerify(jws, await jose.importJWK(jwk, 'ES256'), demands(typ));

const code = async (jws, jwk, typ) => (await refusal(() => verify(jws, jwk, typ))).code;
const NOT_SIGNED = 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED';

function withPart(jws, index, change) {
  const parts = jws.split('.');
  const bytes = Buffer.from(parts[index], 'base64url');
  parts[index] = Buffer.from(change(bytes)).toString('base64url');
  return parts.join('.');
}

for (const [typ, all] of kinds) {
  await checks.that(`jose verifies ${typ} by the published key`, async () => {
    for (const { jws, jwk } of all) {
      const { payload, protectedHeader } = await verify(jws, jwk, typ);
      assert.equal(protectedHeader.kid, await jose.calculateJwkThumbprint(jwk));
      assert.ok(payload.iat > 1.7e9);
    }
  });

  await checks.that(`jose refuses ${typ} once anything in it is changed`, async () => {
    const { jws, jwk } = all[0];
    // One letter of one text: the result is still JSON.
    const claims = withPart(jws, 1, (bytes) => bytes.toString().replace(/[a-y]"/, (found) =>
      String.fromCharCode(found.charCodeAt(0) + 1) + '"'));
    assert.notEqual(claims, jws);
    assert.equal(await code(claims, jwk, typ), NOT_SIGNED);
    const signature = withPart(jws, 2, (bytes) => { bytes[40] ^= 1; return bytes; });
    assert.equal(await code(signature, jwk, typ), NOT_SIGNED);
    const { publicKey } = await jose.generateKeyPair('ES256');
    assert.equal(await code(jws, await jose.exportJWK(publicKey), typ), NOT_SIGNED);
    const none = withPart(jws, 0, (bytes) => bytes.toString().replace('ES256', 'none'));
    assert.equal(await code(none, jwk, typ), 'ERR_JOSE_ALG_NOT_ALLOWED');
  });

  await checks.that(`jose does not take ${typ} for anything else`, async () => {
    const { jws, jwk } = all[0];
    for (const other of kinds.keys()) {
      if (other !== typ) assert.equal(await code(jws, jwk, other), 'ERR_JWT_CLAIM_VALIDATION_FAILED');
    }
  });
}

checks.end();
