// Entra, judged by a certified OpenID Connect client that checks every signature: unlike MSAL it
// refuses ID tokens with a wrong issuer, audience, expiry or key. Access tokens are jose's.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as jose from 'jose';
import * as client from 'openid-client';

import { Checks, Cloud, refusal, signIn } from './cloud.mjs';

const PERSON = 'april@contoso.example';

const cloud = await Cloud.running();
const checks = new Checks();
const portal = cloud.clientId('airlock-portal');
const api = `api://${portal}/access_as_user`;
const authority = `https://${cloud.names.entra}`;
const issuer = `${authority}/${cloud.names.tenant}/v2.0`;
const redirectUri = `http://127.0.0.1:9/${randomBytes(6).toString('hex')}`;
await cloud.control('POST', '/redirect-uris', { application: 'airlock-portal', uri: redirectUri });

/** Client authentication with the token of a managed identity, as `signin` does it. */
function vouchedFor(by) {
  return async (_server, metadata, body) => {
    body.set('client_id', metadata.client_id);
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    body.set('client_assertion', await cloud.tokenOf(by, 'api://AzureADTokenExchange'));
  };
}

async function discovered(by = 'signin', application = 'airlock-portal') {
  const options = { [client.customFetch]: cloud.fetch };
  const id = cloud.clientId(application);
  const found = await client.discovery(new URL(issuer), id, undefined, vouchedFor(by), options);
  // The client allows https alone, and so it stays: the page's loopback origin is put back below,
  // where a browser would follow the link.
  const metadata = found.serverMetadata();
  const page = metadata.authorization_endpoint.replace(cloud.names.pages, authority);
  const config = new client.Configuration(
    { ...metadata, authorization_endpoint: page },
    id,
    undefined,
    vouchedFor(by),
  );
  config[client.customFetch] = cloud.fetch;
  client.enableNonRepudiationChecks(config);
  return config;
}

async function asked(config) {
  const verifier = client.randomPKCECodeVerifier();
  const nonce = client.randomNonce();
  const state = client.randomState();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: `openid profile offline_access ${api}`,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    response_mode: 'query',
    nonce,
    state,
  });
  return { page: url.href.replace(authority, cloud.names.pages), verifier, nonce, state };
}

function expected({ verifier, nonce, state }) {
  return {
    pkceCodeVerifier: verifier,
    expectedNonce: nonce,
    expectedState: state,
    idTokenExpected: true,
  };
}

let config;
let tokens;

await checks.that('discovery names itself as issuer', async () => {
  config = await discovered();
  assert.equal(config.serverMetadata().issuer, issuer);
  assert.ok(config.serverMetadata().supportsPKCE());
});

await checks.that('a person signs in: code, PKCE, nonce, state, and a signature that is checked', async () => {
  const request = await asked(config);
  const callback = await signIn(request.page, PERSON);
  tokens = await client.authorizationCodeGrant(config, callback, expected(request));
  const claims = tokens.claims();
  assert.equal(claims.nonce, request.nonce);
  assert.equal(claims.aud, portal);
  assert.equal(claims.preferred_username, PERSON);
  assert.deepEqual(claims.roles, ['Approver']);
});

await checks.that('jose verifies the access token by the published keys', async () => {
  const { jwks_uri: uri } = config.serverMetadata();
  const keys = jose.createRemoteJWKSet(new URL(uri), { [jose.customFetch]: cloud.fetch });
  const demands = { issuer, audience: portal, algorithms: ['RS256'], requiredClaims: ['exp', 'nbf', 'oid', 'tid'] };
  const { payload } = await jose.jwtVerify(tokens.access_token, keys, demands);
  assert.equal(payload.scp, 'access_as_user');
  assert.equal(payload.azp, portal);
  assert.equal(payload.oid, tokens.claims().oid);
  const [header, body, signature] = tokens.access_token.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url'));
  claims.roles = ['PlatformAdmin'];
  const changed = [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
  const error = await refusal(() => jose.jwtVerify(changed, keys, demands));
  assert.equal(error.code, 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED');
});

await checks.that('the refresh token gives new tokens for the same person', async () => {
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(renewed.access_token, tokens.access_token);
  assert.equal(renewed.claims().sub, tokens.claims().sub);
});

await checks.that('a code is good once', async () => {
  const request = await asked(config);
  const callback = await signIn(request.page, PERSON);
  await client.authorizationCodeGrant(config, callback, expected(request));
  const error = await refusal(() => client.authorizationCodeGrant(config, callback, expected(request)));
  assert.equal(error.error, 'invalid_grant');
  assert.match(error.error_description, /^AADSTS54005: /);
});

await checks.that('a code is worth nothing with another verifier', async () => {
  const request = await asked(config);
  const callback = await signIn(request.page, PERSON);
  const other = { ...expected(request), pkceCodeVerifier: client.randomPKCECodeVerifier() };
  const error = await refusal(() => client.authorizationCodeGrant(config, callback, other));
  assert.equal(error.error, 'invalid_grant');
});

await checks.that('a code is not redeemed for a client that another identity vouches for', async () => {
  const other = await discovered('execute');
  const request = await asked(other);
  const callback = await signIn(request.page, PERSON);
  const error = await refusal(() => client.authorizationCodeGrant(other, callback, expected(request)));
  assert.equal(error.error, 'invalid_client');
  assert.equal(error.status, 401);
});

await checks.that('an application gets its Graph token by client credentials', async () => {
  const worker = await discovered('execute', 'airlock-worker-accounts');
  const scope = 'https://graph.microsoft.com/.default';
  const granted = await client.clientCredentialsGrant(worker, { scope });
  assert.equal(granted.token_type, 'bearer');
  assert.ok(granted.expires_in > 3000);
  assert.equal(granted.refresh_token, undefined);
});

checks.end();
