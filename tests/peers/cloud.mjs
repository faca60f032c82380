// The running local cloud, as its stack.json describes it, and how the checks against it are told.

import { readFile } from 'node:fs/promises';
import { Agent, ProxyAgent, fetch } from 'undici';

const direct = new Agent();
const soon = () => AbortSignal.timeout(30_000);

export class Cloud {
  static async running() {
    const file = process.env.AIRLOCK_STACK ?? '.local/stack.json';
    const cloud = new Cloud();
    cloud.stack = JSON.parse(await readFile(file, 'utf8'));
    const ca = await readFile(cloud.stack.ca, 'utf8');
    // Certificates are checked as ever; only the authority that vouches for them is another.
    const proxy = new ProxyAgent({ uri: cloud.stack.proxy, requestTls: { ca } });
    cloud.fetch = (url, options) => fetch(url, { signal: soon(), ...options, dispatcher: proxy });
    cloud.names = await cloud.control('GET', '/names');
    return cloud;
  }

  /** Asks the control API. */
  async control(method, path, body) {
    const answer = await fetch(this.stack.control + path, {
      method,
      headers: { 'x-airlock-control': this.stack.control_key, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
      dispatcher: direct,
      signal: soon(),
    });
    if (!answer.ok) throw new Error(`control ${method} ${path}: ${answer.status}`);
    return answer.json();
  }

  /** The client id of an app registration. */
  clientId(application) {
    return this.names.applications[application].client_id;
  }

  /** A token of a managed identity. */
  async tokenOf(identity, resource) {
    const given = await this.control('GET', `/identity/${identity}`);
    const query = new URLSearchParams({
      'api-version': '2019-08-01',
      resource,
      client_id: given.client_id,
    });
    const answer = await fetch(`${given.url}?${query}`, {
      headers: { 'x-identity-header': given.header },
      dispatcher: direct,
      signal: soon(),
    });
    if (!answer.ok) throw new Error(`identity endpoint: ${answer.status}`);
    return (await answer.json()).access_token;
  }
}

/** Plays a person at the sign-in page. The URL that the client is called back at. */
export async function signIn(authorize, person) {
  const options = { redirect: 'manual', dispatcher: direct, signal: soon() };
  const page = await (await fetch(authorize, options)).text();
  const request = /name=request value="([^"]+)"/.exec(page)?.[1];
  const action = /action="([^"]+)"/.exec(page)?.[1];
  if (!request || !action) throw new Error(`no sign-in page: ${page.slice(-300)}`);
  const answer = await fetch(new URL(action, authorize), {
    ...options,
    method: 'POST',
    body: new URLSearchParams({ request, person }),
  });
  const location = answer.headers.get('location');
  if (!location) throw new Error(`the page did not let ${person} in: ${answer.status}`);
  return new URL(location);
}

/** Tells each check on a line of its own, and counts. */
export class Checks {
  passed = 0;
  failed = 0;

  async that(sentence, proof) {
    try {
      await proof();
      this.passed += 1;
      console.log(`ok    ${sentence}`);
    } catch (error) {
      this.failed += 1;
      const why = [error.message, error.cause && JSON.stringify(error.cause)];
      console.log(`FAIL  ${sentence}\n        ${why.filter(Boolean).join(' ').slice(0, 600)}`);
    }
  }

  /** Ends the process as the checks went. */
  end() {
    process.exit(this.failed === 0 && this.passed > 0 ? 0 : 1);
  }
}

/** The error that something must end in. */
export async function refusal(doing) {
  try {
    await doing();
  } catch (error) {
    return error;
  }
  throw new Error('it was not refused');
}
