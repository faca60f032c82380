// A baseline: what `GET /api/claims` does, as express and jose would do it in two processes.
//
// It verifies the whole token anew for every request, with keys that it has fetched once, and keeps
// nothing of what it verified. What express does that nobody asked for (ETag, X-Powered-By) is off.

import cluster from 'node:cluster';
import { get } from 'node:https';
import express from 'express';
import { createRemoteJWKSet, customFetch, errors, jwtVerify } from 'jose';

const {
  BENCH_AUDIENCE: audience,
  BENCH_DOOR: door,
  BENCH_ISSUER: issuer,
  BENCH_KEYS: published,
  BENCH_PORT: port,
  BENCH_TENANT: tenant,
} = process.env;
const SCOPE = 'access_as_user';
const PROCESSES = 2;

// As forgiving as Airlock.
const SKEW_S = 60;

/** Node's own fetch knows no proxy, so the real name is looked for at the local cloud's address. */
function fetchLocally(url, { headers, signal }) {
  const { hostname, pathname, search } = new URL(url);
  const [host, port] = door.split(':');
  const sent = { ...Object.fromEntries(headers), host: hostname };
  const where = { host, port, servername: hostname, path: pathname + search };
  return new Promise((resolve, reject) => {
    get({ ...where, headers: sent, signal }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => {
        resolve(new Response(Buffer.concat(parts), { status: answer.statusCode }));
      });
    }).on('error', reject);
  });
}

function serve() {
  const keys = createRemoteJWKSet(new URL(published), { [customFetch]: fetchLocally });
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.get('/api/claims', async (request, response) => {
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    if (scheme !== 'Bearer' || !token) return response.status(401).json({ status: 401 });
    let claims;
    try {
      const verified = await jwtVerify(token, keys, {
        algorithms: ['RS256'],
        audience,
        issuer,
        clockTolerance: SKEW_S,
        requiredClaims: ['exp', 'nbf', 'iat', 'iss', 'aud', 'sub', 'tid', 'oid', 'ver'],
      });
      claims = verified.payload;
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      return response.status(401).json({ status: 401 });
    }
    if (claims.tid !== tenant || claims.ver !== '2.0') {
      return response.status(401).json({ status: 401 });
    }
    if (claims.idtyp === 'app' || !(claims.scp ?? '').split(' ').includes(SCOPE)) {
      return response.status(403).json({ status: 403 });
    }
    return response.json({ claims });
  });
  app.listen(Number(port), '127.0.0.1');
}

if (cluster.isPrimary) {
  for (let started = 0; started < PROCESSES; started += 1) cluster.fork();
} else {
  serve();
}
